// One node of a chain as a process of its own, for measurements: ledger, pool, engine, gossip and sync over the real network, with its
// database, log and guard on disk; no pieces. Started by `chain-processes.ts`, told over IPC who the others are, asked what it did.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal, fromHex, toHex } from '../../src/base/bytes.ts';
import { toStoreError } from '../../src/base/errors.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import { VERIFIED_SIGNATURES_MAX } from '../../src/base/limits.ts';
import type { NodeAddresses } from '../../src/base/ports.ts';
import { startChainService } from '../../src/node/chain/chain-service.ts';
import { openChainStore } from '../../src/node/chain/chain-store.ts';
import { rememberingVerify } from '../../src/node/chain/verified-signatures.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { loadIdentity } from '../../src/runtime/identity.ts';
import { openKeyValue } from '../../src/runtime/key-value.ts';
import { createNetwork } from '../../src/runtime/network.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { decodeFounding, firstHead, foundState } from '../../src/shards/founding.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { ID_HEX } from './chain-work.ts';

export interface ChainWorkerConfig {
  readonly folder: string;
  /** File of the founding document. */
  readonly founding: string;
  readonly networkId: string;
  readonly heartbeatMs: number;
  /** Says at every commit how many transactions it had. */
  readonly isTalkative: boolean;
}

export type ChainCommand =
  | { readonly kind: 'peers'; readonly peers: readonly (readonly [string, NodeAddresses])[] }
  | { readonly kind: 'report' };

/** A block that is durable at this node. */
export interface CommittedBlock {
  readonly height: number;
  /** Milliseconds since 1970, with fractions. */
  readonly atMs: number;
  /** First bytes of the ids of its transactions, hex, ID_HEX each. */
  readonly ids: string;
  /** The same of the transactions whose receipts it executed. */
  readonly origins: string;
  readonly refused: number;
}

export interface ChainReport {
  /** Since the last report. */
  readonly blocks: readonly CommittedBlock[];
  readonly height: number;
  readonly role: string;
  readonly waiting: number;
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly peakRssBytes: number;
  readonly wireBytesSent: number;
}

export type ChainWorkerMessage =
  | { readonly kind: 'listening'; readonly addresses: NodeAddresses }
  | { readonly kind: 'committed'; readonly height: number; readonly transactions: number }
  | { readonly kind: 'report'; readonly report: ChainReport }
  | { readonly kind: 'failed'; readonly reason: string };

const config = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ChainWorkerConfig;
/** Whoever started it may be gone. */
const tell = (message: ChainWorkerMessage): void =>
  void process.send?.(message, undefined, undefined, () => undefined);
const SILENT = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (about: object) => tell({ kind: 'failed', reason: JSON.stringify(about) }),
};

async function main(): Promise<void> {
  const identity = await loadIdentity(join(config.folder, 'identity'));
  const networkId = fromHex(config.networkId) as NetworkId;
  const founding = decodeFounding(new Uint8Array(readFileSync(config.founding)), networkId, nativeVerify);
  const members = new Set(founding.signed.record.members.map(({ node }) => toHex(node)));
  const network = await createNetwork({
    identity,
    networkId,
    clock: systemClock,
    controlListen: ['/ip4/127.0.0.1/tcp/0'],
    bulkListen: { host: '127.0.0.1', port: 0 },
    isMember: (node) => members.has(toHex(node)),
  });
  tell({ kind: 'listening', addresses: network.addresses() });
  const told = await peersTold();
  const peers = told.map(([node]) => fromHex(node) as NodeId);
  for (const [index, [, addresses]] of told.entries()) network.setAddresses(peers[index]!, addresses);
  const keyValue = await openKeyValue(join(config.folder, 'chain'));
  const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
  await store.found(foundState(founding, nativeSha256), firstHead(founding, nativeSha256), networkId);
  const service = await startChainService(
    {
      store,
      identity,
      network,
      gossip: network.gossip,
      clock: systemClock,
      random: systemRandom,
      logger: SILENT,
      networkId,
      rules: LEDGER_RULES,
      sha256: nativeSha256,
      verify: rememberingVerify(nativeVerify, VERIFIED_SIGNATURES_MAX),
    },
    {
      founding,
      folder: config.folder,
      peers: () => peers.filter((node) => !equal(node, identity.nodeId)),
      heartbeatMs: config.heartbeatMs,
      listenMs: 300,
    },
  );
  let blocks: CommittedBlock[] = [];
  service.chain.onCommit(({ block, executed }) => {
    const { transactions } = block.body;
    const { height } = block.header;
    const name = (id: Uint8Array): string => toHex(id.subarray(0, ID_HEX / 2));
    if (config.isTalkative) {
      blocks.push({
        height,
        atMs: performance.timeOrigin + performance.now(),
        ids: transactions.map(({ id }) => name(id)).join(''),
        origins: executed.outcomes
          .flatMap((outcome) => (outcome.kind === 'receipt' ? [name(outcome.origin)] : []))
          .join(''),
        refused: executed.outcomes.filter(({ refusal }) => refusal !== undefined).length,
      });
      tell({ kind: 'committed', height, transactions: transactions.length });
    }
  });
  process.on('message', (message: ChainCommand) => {
    if (message.kind !== 'report') return;
    const { user, system } = process.cpuUsage();
    const { role, height, waitingTransactions } = service.status();
    const said = blocks;
    blocks = [];
    tell({
      kind: 'report',
      report: {
        blocks: said,
        height,
        role,
        waiting: waitingTransactions,
        cpuUs: user + system,
        rssBytes: process.memoryUsage().rss,
        heapBytes: process.memoryUsage().heapUsed,
        peakRssBytes: process.resourceUsage().maxRSS * 1024,
        wireBytesSent: network.networkStatus().bytesSent,
      },
    });
  });
  const reason = await service.ended;
  tell({ kind: 'failed', reason: reason?.message ?? 'stopped' });
}

function peersTold(): Promise<Extract<ChainCommand, { kind: 'peers' }>['peers']> {
  return new Promise((resolve) => {
    const listener = (message: ChainCommand): void => {
      if (message.kind !== 'peers') return;
      process.off('message', listener);
      resolve(message.peers);
    };
    process.on('message', listener);
  });
}

// Whoever started it is gone: nobody else would end it.
process.on('disconnect', () => process.exit(1));
main().catch((error: unknown) => {
  tell({ kind: 'failed', reason: toStoreError(error, 'INTERNAL', 'node').message });
  process.exit(1);
});
