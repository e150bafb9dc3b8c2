// A chain client of nodes that serve a ledger in memory.

import { toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import {
  type ChainClientOptions,
  createChainClient,
  type OpenChainClient,
} from '../../../src/client/chain/client.ts';
import { type MemoryTrust, memoryTrust } from '../../../src/client/chain/memory-trust.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import type { Action } from '../../../src/shards/transaction.ts';
import { FakeNet, nodeNamed, type Services, testClock } from './fake-net.ts';
import { accountNamed } from './founding-kit.ts';
import type { LedgerChain } from './ledger-chain.ts';

export interface ClientSetup {
  readonly net: FakeNet;
  readonly client: OpenChainClient;
  readonly lies: string[];
  readonly store: MemoryTrust;
}

export function clientOf(
  chain: LedgerChain,
  nodes: Readonly<Record<string, Services>>,
  options: Partial<ChainClientOptions> & {
    readonly store?: MemoryTrust;
    readonly nowMs?: () => number;
    readonly monotonic?: () => number;
  } = {},
): ClientSetup {
  const { store = memoryTrust(), nowMs = () => chain.timeMs, monotonic, ...rest } = options;
  const net = new FakeNet();
  const names = Object.keys(nodes);
  for (const name of names) net.serve(name, nodes[name]!);
  const lies: string[] = [];
  const nameOf = (node: NodeId): string => names.find((name) => toHex(nodeNamed(name)) === toHex(node))!;
  const client = createChainClient(
    {
      network: net,
      clock: testClock(nowMs, monotonic),
      verify: nativeVerify,
      sha256: nativeSha256,
      trust: store,
    },
    {
      network: chain.network,
      operations: LEDGER_RULES.operations,
      candidates: () => names.map(nodeNamed),
      onLie: (node, reason) => lies.push(`${nameOf(node)}: ${reason}`),
      ...rest,
    },
  );
  return { net, client, lies, store };
}

export const transferTo = (name: string, amount: bigint): Action => ({
  kind: 'transfer',
  parameters: { to: accountNamed(name), amounts: [[0, amount]] },
});
