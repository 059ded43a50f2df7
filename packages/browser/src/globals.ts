/** The one global of Node that the shared sources name; a bundler gives it to whoever does. */
export { Buffer } from 'buffer';
