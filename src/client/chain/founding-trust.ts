// Where a client's trust begins when it was told nothing but the network id: the founding document says who the first validators are.

import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId } from '../../base/ids.ts';
import type { Verify } from '../../base/ports.ts';
import { validatorSetDigest } from '../../consensus/validator-set.ts';
import { decodeFounding, firstHead, foundState } from '../../shards/founding.ts';
import { heightFacts } from '../../shards/height-facts.ts';
import { type Loaded, Overlay } from '../../shards/view.ts';
import { parametersOf } from '../../shards/parameters.ts';
import type { Trusted } from './light-checks.ts';
import { trustPeriodOf } from './trust-period.ts';

export interface FoundingTrust {
  readonly trusted: Trusted;
  /** Two thirds of the time for which validators answer for what they sign. */
  readonly trustPeriodMs: number;
}

/** Throws INVALID_ENCODING, WRONG_NETWORK, INVALID_SIGNATURE, INVALID_CONFIG. */
export function foundingTrust(
  bytes: Uint8Array,
  network: NetworkId,
  verify: Verify,
  sha256: Sha256,
): FoundingTrust {
  const document = decodeFounding(bytes, network, verify);
  const { id, timeMs } = firstHead(document, sha256);
  const records = new Map<string, Loaded>();
  for (const { key, after } of foundState(document, sha256)) records.set(key.text, after);
  const state = new Overlay({ read: (key) => records.get(key.text) ?? null });
  const { validators } = heightFacts(state, 1, sha256);
  const nextValidators = validatorSetDigest(validators, sha256);
  return {
    trusted: { height: 0, id, timeMs, validators, nextValidators },
    trustPeriodMs: trustPeriodOf(parametersOf(state)),
  };
}
