// Where a transaction stands in the chain. Place and content are proven by a path to a verified header; what came of it no header binds, so
// that is what most of the nodes asked say.

import { equal } from '../src/base/bytes.ts';
import { StoreError } from '../src/base/errors.ts';
import type { Digest, NodeId } from '../src/base/ids.ts';
import { CHAIN_WAIT_MS_MAX, SUBMIT_NODES } from '../src/base/limits.ts';
import { verifyInclusion } from '../src/base/merkle.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import { judged, Lie } from '../src/client/chain/providers.ts';
import { nativeSha256 } from '../src/runtime/crypto.ts';
import {
  CHAIN_SERVICES,
  decodeTransactionReply,
  encodeTransactionRequest,
  TRANSACTION_REPLY_LENGTH_MAX,
} from '../src/shards/chain-messages.ts';
import { LEDGER_RULES } from '../src/shards/ledger.ts';
import type { LightBlock } from '../src/shards/light-block.ts';
import type { RefusalCode } from '../src/shards/operation.ts';
import { decodeTransaction, type SignedTransaction } from '../src/shards/transaction.ts';
import { followAny } from './block-read.ts';

export interface Place {
  readonly light: LightBlock;
  readonly index: number;
  readonly count: number;
  readonly signed: SignedTransaction;
  /** What most of the nodes asked say; undefined when it was done. */
  readonly refusal: RefusalCode | undefined;
  /** Nodes that say so, of those that answered. */
  readonly agreeing: number;
  readonly answering: number;
}

type Said = Omit<Place, 'agreeing' | 'answering'>;

/** Waits up to `waitMs` for it to be included. Throws NOT_FOUND when no node has it, UNREACHABLE, PROTOCOL, ABORTED. */
export async function placeOf(
  chain: OpenChainClient,
  id: Digest,
  waitMs: number,
  signal: AbortSignal,
): Promise<Place> {
  const { providers } = chain.light;
  await chain.light.start(signal);
  const first = await firstWith(chain, id, waitMs, signal);
  const others = providers
    .order()
    .filter((node) => !equal(node, first.node))
    .slice(0, SUBMIT_NODES - 1);
  const said = await Promise.all(
    others.map((node) =>
      ask(chain, node, id, 0, signal).catch((error: unknown) => passOver(chain, node, error)),
    ),
  );
  return agreed(first.value, [first.value, ...said.filter((each) => each !== undefined)]);
}

async function firstWith(
  chain: OpenChainClient,
  id: Digest,
  waitMs: number,
  signal: AbortSignal,
): Promise<{ readonly node: NodeId; readonly value: Said }> {
  const until = performance.now() + waitMs;
  for (;;) {
    const left = Math.max(0, Math.min(CHAIN_WAIT_MS_MAX, Math.ceil(until - performance.now())));
    try {
      // Only the first of them waits: what one has, all have soon.
      let isFirst = true;
      return await chain.light.providers.first('transaction', (node) => {
        const patience = isFirst ? left : 0;
        isFirst = false;
        return ask(chain, node, id, patience, signal);
      });
    } catch (error) {
      const isOver = performance.now() >= until;
      if (isOver || !(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    }
  }
}

/** Throws NOT_FOUND, Lie, and what asking throws. */
async function ask(
  chain: OpenChainClient,
  node: NodeId,
  id: Digest,
  waitMs: number,
  signal: AbortSignal,
): Promise<Said> {
  const body = await chain.light.providers.ask(node, {
    service: CHAIN_SERVICES.transaction,
    header: encodeTransactionRequest({ id, waitMs }),
    maxBodyLength: TRANSACTION_REPLY_LENGTH_MAX,
    waitMs,
    signal,
  });
  const { bytes, path, ...reply } = judged(() => decodeTransactionReply(body, nativeSha256));
  const signed = judged(() => decodeTransaction(bytes, LEDGER_RULES.operations, nativeSha256));
  if (!equal(signed.id, id)) throw new Lie('another transaction');
  const { transactionsRoot } = reply.light.header;
  if (!verifyInclusion(transactionsRoot, reply.count, reply.index, id, path, nativeSha256)) {
    throw new Lie('the transaction is not in that block');
  }
  await followAny(chain, reply.light, node, signal);
  return { light: reply.light, index: reply.index, count: reply.count, signed, refusal: reply.refusal };
}

/** A node that fails or has not caught up says nothing; what is no failure of the node is thrown on. */
function passOver({ light }: OpenChainClient, node: NodeId, error: unknown): undefined {
  if (!light.providers.isLie(node, error)) light.providers.failure(node, error);
  return undefined;
}

function agreed(first: Said, said: readonly Said[]): Place {
  const votes = (refusal: RefusalCode | undefined): number =>
    said.filter((each) => each.refusal === refusal).length;
  const best = said.reduce((most, each) => (votes(each.refusal) > votes(most.refusal) ? each : most), first);
  return { ...first, refusal: best.refusal, agreeing: votes(best.refusal), answering: said.length };
}
