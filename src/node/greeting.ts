// The greeting between nodes: each tells its own node record and the number of its epoch. It keeps addresses fresh, shows
// who is alive, and tells whoever is behind that there is a newer epoch record to fetch.

import { z } from 'zod';
import { bytesUpTo, decodeCanonical, encode, uint } from '../base/codec.ts';
import { DHT_RECORD_LENGTH_MAX, GREETING_LENGTH_MAX } from '../base/limits.ts';

export const GREET_SERVICE = 'greet';

export interface Greeting {
  /** Signed node record of the speaker; empty when it has none, as a node that is not a member. */
  readonly nodeRecord: Uint8Array;
  readonly epoch: number;
}

const schema = z
  .tuple([bytesUpTo(DHT_RECORD_LENGTH_MAX), uint()])
  .transform(([nodeRecord, epoch]): Greeting => ({ nodeRecord, epoch }));

export const encodeGreeting = (greeting: Greeting): Uint8Array =>
  encode([greeting.nodeRecord, greeting.epoch]);
export const decodeGreeting = (bytes: Uint8Array): Greeting =>
  decodeCanonical(schema, bytes, GREETING_LENGTH_MAX, 'greeting');
