// `src/base/hash.ts`, where what has no better SHA-256 at hand takes that of the environment: it gives the same.

import * as real from '../../../../src/base/hash.ts';
import { nativeSha256 } from './crypto.ts';

export * from '../../../../src/base/hash.ts';

export const portableSha256: real.Sha256 = nativeSha256;

export const digest: typeof real.digest = (domain, parts, sha256?: real.Sha256) =>
  real.digest(domain, parts, sha256 ?? nativeSha256);
