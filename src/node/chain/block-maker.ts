// Making a block on a state that is read as needed: what of the proposer's own goes in, and the proofs that receipts travel with.

import type { Digest, Epoch, NodeId } from '../../base/ids.ts';
import type { Contributor } from '../../consensus/beacon.ts';
import type { CommitCertificate, Evidence } from '../../consensus/types.ts';
import { type ChainContext, contextOf } from '../../shards/apply.ts';
import { buildBlock, type Built, type Ingredients } from '../../shards/build.ts';
import { convicting } from '../../shards/offences.ts';
import type { StateKey } from '../../shards/state-key.ts';
import type { SignedTransaction } from '../../shards/transaction.ts';
import type { StateProof } from '../../shards/tree/proof.ts';
import { contributorOf } from '../../shards/turns.ts';
import { type LoadedState, Overlay } from '../../shards/view.ts';
import { settle } from './settle.ts';
import type { ChainStore } from './types.ts';

/** What whoever proposes puts into a block. */
export interface Proposing {
  readonly proposer: NodeId;
  readonly candidates: readonly SignedTransaction[];
  /** Receipts at most; as many as a block may have when it is not said. */
  readonly receiptsMax?: number;
  readonly evidence: readonly Evidence[];
  /** The next preimage of the proposer's reveal chain as the state knows it; undefined when there is none to reveal. */
  readonly reveal: (contributor: Contributor | undefined, epoch: Epoch) => Digest | undefined;
}

type Source = Pick<ChainStore, 'load' | 'prove'>;

/** The block that follows the head of `source`, of which `loaded` has some records. `timeMs` is later than its parent's. */
export async function makeBlock(
  source: Source,
  loaded: LoadedState,
  context: ChainContext,
  lastCommit: CommitCertificate | null,
  timeMs: number,
  proposing: Proposing,
): Promise<Built> {
  const { proposer, candidates, receiptsMax } = proposing;
  const own = await settle(source, loaded, () => chooseOwn(loaded, context, timeMs, proposing));
  const limits = receiptsMax === undefined ? {} : { receiptsMax };
  const ingredients = { ...own, ...limits, timeMs, proposer, candidates, lastCommit };
  // Which proofs are needed shows when the block is tried: the next attempt has them.
  const proofs = new Map<string, StateProof>();
  for (;;) {
    const wanted = new Map<string, StateKey>();
    const proveKey = (key: StateKey): StateProof | undefined => {
      if (!proofs.has(key.text)) wanted.set(key.text, key);
      return proofs.get(key.text);
    };
    const built = await settle(source, loaded, () =>
      buildBlock(loaded, { ...ingredients, proveKey }, context),
    );
    if (wanted.size === 0) return built;
    await prove(source, context.parent.height, [...wanted.values()], proofs);
  }
}

/** What of the proposer's own the state lets into a block. */
function chooseOwn(
  loaded: LoadedState,
  context: ChainContext,
  timeMs: number,
  { proposer, evidence, reveal }: Proposing,
): Pick<Ingredients, 'reveal' | 'evidence'> {
  const state = new Overlay(loaded);
  const height = context.parent.height + 1;
  return {
    reveal: reveal(contributorOf(state, proposer), context.epoch) ?? null,
    evidence: convicting(state, contextOf(context, { height, timeMs }), evidence),
  };
}

async function prove(
  source: Source,
  height: number,
  keys: readonly StateKey[],
  into: Map<string, StateProof>,
): Promise<void> {
  const paths = keys.map(({ path }) => path);
  const { proofs } = await source.prove(height, paths);
  for (const [index, key] of keys.entries()) into.set(key.text, proofs[index]!);
}
