// What a node gives to those who catch up: decisions one after the other, and to those who begin with a state the newest one that it
// keeps for them, in chunks.

import type { Service } from '../../base/ports.ts';
import {
  BLOCK_LENGTH_MAX,
  CHUNK_READ_BUDGET,
  CHUNK_RECORDS_LENGTH_MAX,
  CHUNK_TIMEOUT_MS,
  DECISIONS_LENGTH_MAX,
  SERVICE_HEADER_LENGTH_MAX,
  SYNC_FETCH_TIMEOUT_MS,
  SYNC_REQUESTS_PER_SECOND,
} from '../../base/limits.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import { CHAIN_SERVICES, decodeNothing, type DecisionReply } from '../../shards/chain-messages.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import {
  type DecisionsRequest,
  decodeChunkRequest,
  decodeDecisions,
  encodeCheckpointReply,
  encodeChunkReply,
  encodeDecisionsReply,
} from '../../shards/sync-messages.ts';
import { type ByteBudget, createByteBudget } from '../byte-budget.ts';
import type { Chain } from './chain.ts';
import { checkpointReply } from './state-borders.ts';
import type { ChainStore } from './types.ts';

export interface SyncServicesPorts {
  readonly chain: Pick<Chain, 'decision' | 'head' | 'load'>;
  readonly store: Pick<ChainStore, 'chunk' | 'hasState' | 'oldestBlock' | 'prove'>;
  readonly sha256: Sha256;
  /** Throws NOT_FOUND. */
  readonly light: (height: number) => Promise<LightBlock>;
}

const BOUNDS = {
  maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
  maxBodyLength: 0,
  timeoutMs: SYNC_FETCH_TIMEOUT_MS,
  maxConcurrentPerPeer: 2,
  maxPerSecondPerPeer: SYNC_REQUESTS_PER_SECOND,
} as const;

const EMPTY = new Uint8Array(0);

export function syncServices(ports: SyncServicesPorts): readonly Service[] {
  const budget = createByteBudget(CHUNK_READ_BUDGET);
  return [decisionsService(ports, budget), checkpointService(ports), chunkService(ports, budget)];
}

function decisionsService({ chain, store }: SyncServicesPorts, budget: ByteBudget): Service {
  return {
    ...BOUNDS,
    name: CHAIN_SERVICES.decisions,
    handle: async (_from, header, _body, signal) => {
      const request = decodeDecisions(header);
      const bytes = Math.min(request.lengthBytes, DECISIONS_LENGTH_MAX) + BLOCK_LENGTH_MAX;
      const decisions = await budget.use(bytes, signal, () => collect(chain, request, signal));
      // Whoever asks must know that others may have it, and whoever has it not any more is no liar.
      if (decisions.length === 0 && request.from <= chain.head.height)
        throw notKept(request.from, store.oldestBlock);
      return { header: EMPTY, body: [encodeDecisionsReply(decisions)] };
    },
  };
}

/** One after the other: what is asked for is bounded in bytes, and how many those are shows as they are read. */
async function collect(
  chain: Pick<Chain, 'decision'>,
  { from, count, lengthBytes }: DecisionsRequest,
  signal: AbortSignal,
): Promise<readonly DecisionReply[]> {
  const decisions: DecisionReply[] = [];
  let bytes = 0;
  while (decisions.length < count && !signal.aborted) {
    const decision = await chain.decision(from + decisions.length);
    if (decision === undefined) break;
    bytes += decision.block.length;
    if (decisions.length > 0 && bytes > lengthBytes) break;
    decisions.push(decision);
  }
  return decisions;
}

function notKept(from: number, oldest: number): StoreError {
  return new StoreError('NOT_FOUND', `decision ${from} is not here any more: the oldest is ${oldest}`, {
    next: 'Ask a node that keeps more, or begin with the state of a checkpoint.',
  });
}

function checkpointService(ports: SyncServicesPorts): Service {
  return {
    ...BOUNDS,
    name: CHAIN_SERVICES.checkpoint,
    maxConcurrentPerPeer: 1,
    handle: async (_from, header) => {
      decodeNothing(header, CHAIN_SERVICES.checkpoint);
      const reply = await checkpointReply(ports);
      if (reply === undefined) {
        throw new StoreError('NOT_FOUND', 'there is no epoch yet whose first state is kept here', {
          next: 'Ask for decisions from height 1 on.',
        });
      }
      return { header: EMPTY, body: [encodeCheckpointReply(reply)] };
    },
  };
}

/** A chunk is read record by record: so many at once as the budget says, whoever asks, and with decisions together. */
function chunkService({ store }: SyncServicesPorts, budget: ByteBudget): Service {
  return {
    ...BOUNDS,
    name: CHAIN_SERVICES.chunk,
    timeoutMs: CHUNK_TIMEOUT_MS,
    handle: async (_from, header, _body, signal) => {
      const { height, prefix } = decodeChunkRequest(header);
      const part = await budget.use(CHUNK_RECORDS_LENGTH_MAX, signal, () => store.chunk(height, prefix));
      return { header: EMPTY, body: [encodeChunkReply(part)] };
    },
  };
}
