// For how long validators answer for what they signed, where a client begins with a block that people vouch for: as the parameters of the
// network say in the state under that block, or, when no node has that state any more, as the network was founded.

import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import { TRUST_STATE_NODES } from '../../base/limits.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import { type Parameters, parametersKey, parametersOf } from '../../shards/parameters.ts';
import type { StatePath } from '../../shards/tree/path.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { recordProblem, shardsProblem } from './proven-records.ts';
import { judged, Lie, type Providers } from './providers.ts';
import { askProof } from './snapshot.ts';
import { TrustLost } from './trust-lost.ts';

/** Two thirds of the time for which evidence is taken: the rest is for whoever has to show it. */
export function trustPeriodOf({ evidence }: Pick<Parameters, 'evidence'>): number {
  return Math.floor((2 * evidence.ageMs) / 3);
}

/** As the state that `light` names says; `light` is trusted. Undefined when nobody who was asked has that state. Throws ABORTED. */
export async function provenTrustPeriod(
  providers: Providers,
  light: LightBlock,
  sha256: Sha256,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const { height } = light.header;
  const key = parametersKey();
  const path = key.path as Uint8Array as StatePath;
  const request = { paths: [path], atLeast: height, exactly: height, waitMs: 0, isHeaderKnown: false };
  try {
    const { value } = await providers.first(
      `the parameters under header ${height}`,
      async (node) => {
        const reply = await askProof(providers, node, request, sha256, signal);
        const { framing, records, proofs } = reply;
        if (reply.height !== height || framing === undefined || records.length !== 1)
          throw new Lie('another proof than was asked for');
        // The header is the trusted one, whichever the node sends with its proof.
        const problem =
          shardsProblem(light.header, framing.shards, sha256) ??
          recordProblem(framing.shards, path, records[0]!, proofs[0]!, sha256);
        if (problem !== undefined) throw new Lie(problem);
        const loaded = new LoadedState();
        loaded.add(key, records[0]!);
        return judged(() => trustPeriodOf(parametersOf(new Overlay(loaded))));
      },
      { attempts: TRUST_STATE_NODES },
    );
    return value;
  } catch (error) {
    const isSaid = error instanceof StoreError && !(error instanceof TrustLost) && error.code !== 'ABORTED';
    if (!isSaid) throw error;
    return undefined;
  }
}
