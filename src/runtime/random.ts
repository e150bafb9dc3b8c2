// The Random port on the operating system's generator.

import { randomBytes } from 'node:crypto';
import type { Random } from '../base/ports.ts';

export const systemRandom: Random = {
  // A plain Uint8Array with memory of its own: Buffer's pool would let one secret share pages with another.
  bytes: (length) => new Uint8Array(randomBytes(length)),
};
