import process from 'node:process';
import { measureImage } from '@strongroom/attestation/insecure';
import { readImage } from './image.ts';

/** Prints what a contract must name so that this build's worker gets keys on the simulator. */
process.stdout.write(`${JSON.stringify({ measurement: measureImage(await readImage()) })}\n`);
