// What a node gives to those who catch up.

import type { Service } from '../../base/ports.ts';
import {
  SERVICE_HEADER_LENGTH_MAX,
  SYNC_FETCH_TIMEOUT_MS,
  SYNC_REQUESTS_PER_SECOND,
} from '../../base/limits.ts';
import { CHAIN_SERVICES, type DecisionReply } from '../../shards/chain-messages.ts';
import { type DecisionsRequest, decodeDecisions, encodeDecisionsReply } from '../../shards/sync-messages.ts';
import type { Chain } from './chain.ts';

const BOUNDS = {
  maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
  maxBodyLength: 0,
  timeoutMs: SYNC_FETCH_TIMEOUT_MS,
  maxConcurrentPerPeer: 2,
  maxPerSecondPerPeer: SYNC_REQUESTS_PER_SECOND,
} as const;

export function decisionsService(chain: Pick<Chain, 'decision'>): Service {
  return {
    ...BOUNDS,
    name: CHAIN_SERVICES.decisions,
    handle: async (_from, header, _body, signal) => {
      const decisions = await collect(chain, decodeDecisions(header), signal);
      return { header: new Uint8Array(0), body: [encodeDecisionsReply(decisions)] };
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
