import { z } from 'zod';

/** Before anything is parsed: zod would ask for `Function`, which the page's policy refuses. */
z.config({ jitless: true });
