// One validator of blocks without meaning, as a process of its own: started by `validator-processes.ts`, told over IPC whom it agrees
// with, asked what it did. Everything in it is what a node runs; only the application, and a liar's network, are made for tests.

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fromHex } from '../../src/base/bytes.ts';
import { toStoreError } from '../../src/base/errors.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import type { NodeAddresses, Signer, Verify } from '../../src/base/ports.ts';
import type { TimeoutParams } from '../../src/consensus/types.ts';
import { startValidator, type ValidatorStatus } from '../../src/node/validator/validator.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { type Files, systemFiles } from '../../src/runtime/files.ts';
import { loadIdentity } from '../../src/runtime/identity.ts';
import { createNetwork } from '../../src/runtime/network.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { equivocating } from '../adversaries/equivocating-network.ts';
import { type DecidedBlock, openOpaqueApplication } from './opaque-application.ts';

export interface WorkerConfig {
  readonly folder: string;
  readonly networkId: string;
  /** Node ids, hex. */
  readonly validators: readonly string[];
  readonly port: number;
  readonly blockLength: number;
  readonly intervalMs: number;
  readonly listenMs: number;
  readonly timeouts: TimeoutParams;
  /** Offers TLS for blocks besides. */
  readonly hasBulkLane: boolean;
  readonly isEquivocator: boolean;
}

export type WorkerCommand =
  | { readonly kind: 'peers'; readonly peers: readonly (readonly [string, NodeAddresses])[] }
  | { readonly kind: 'report' }
  | { readonly kind: 'stop' };

export type WorkerMessage =
  | { readonly kind: 'listening'; readonly addresses: NodeAddresses }
  | { readonly kind: 'report'; readonly report: WorkerReport }
  | { readonly kind: 'failed'; readonly reason: string };

/** The application's file, the log, its beginning, the guard, a folder. */
export type Synced = 'chain' | 'wal' | 'new wal' | 'guard' | 'folder';

export interface SyncCount {
  count: number;
  totalMs: number;
}

export interface WorkerReport {
  /** Decisions since the last report. */
  readonly decisions: readonly DecidedBlock[];
  readonly height: number;
  readonly status: ValidatorStatus;
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
  /** Bytes of calls and tells over both lanes, with their frames. */
  readonly wireBytesSent: number;
  /** Flushes of the disk, by what was flushed. */
  readonly syncs: Readonly<Record<Synced, SyncCount>>;
  readonly signatures: number;
  readonly verifications: number;
  readonly evidence: Readonly<Record<string, number>>;
  /** What the guard refused and second copies of the key that were heard. */
  readonly alarms: readonly string[];
}

const config = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as WorkerConfig;
const counts = { signatures: 0, verifications: 0 };
const none = (): SyncCount => ({ count: 0, totalMs: 0 });
const syncs: Record<Synced, SyncCount> = {
  chain: none(),
  wal: none(),
  'new wal': none(),
  guard: none(),
  folder: none(),
};
const evidence: Record<string, number> = {};
const alarms: string[] = [];
let decisions: DecidedBlock[] = [];

const tell = (message: WorkerMessage): void => void process.send?.(message);

/** The files of the system, with syncs counted. */
const files: Files = {
  ...systemFiles,
  async open(path, mode) {
    const file = await systemFiles.open(path, mode);
    return { ...file, sync: () => timed(syncedOf(path), () => file.sync()) };
  },
  syncDirectory: (path) => timed('folder', () => systemFiles.syncDirectory(path)),
};

function syncedOf(path: string): Synced {
  const name = basename(path);
  if (name === 'chain' || name === 'wal') return name;
  return name.startsWith('.wal.') ? 'new wal' : 'guard';
}

async function timed(synced: Synced, sync: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await sync();
  syncs[synced].count += 1;
  syncs[synced].totalMs += performance.now() - began;
}

const verify: Verify = (key, message, signature) => {
  counts.verifications += 1;
  return nativeVerify(key, message, signature);
};

function counted(signer: Signer): Signer {
  return {
    publicKey: signer.publicKey,
    sign: (message) => {
      counts.signatures += 1;
      return signer.sign(message);
    },
  };
}

async function main(): Promise<void> {
  const loaded = await loadIdentity(join(config.folder, 'identity'));
  const identity = { ...loaded, signer: counted(loaded.signer) };
  const networkId = fromHex(config.networkId) as NetworkId;
  const validators = config.validators.map((hex) => fromHex(hex) as NodeId);
  const network = await createNetwork({
    identity,
    networkId,
    clock: systemClock,
    controlListen: [`/ip4/127.0.0.1/tcp/${config.port}`],
    ...(config.hasBulkLane ? { bulkListen: { host: '127.0.0.1', port: 0 } } : {}),
    isMember: () => true,
  });
  tell({ kind: 'listening', addresses: network.addresses() });
  const peers = await command('peers');
  for (const [node, addresses] of peers.peers) network.setAddresses(fromHex(node) as NodeId, addresses);
  const application = await openOpaqueApplication({
    folder: config.folder,
    self: identity.nodeId,
    validators,
    blockLength: config.blockLength,
    intervalMs: config.intervalMs,
    files,
    onDecision: (decided) => decisions.push(decided),
  });
  const validator = await startValidator({
    folder: config.folder,
    networkId,
    identity,
    network: config.isEquivocator ? equivocating(network, networkId, loaded.signer, validators) : network,
    application,
    timeouts: config.timeouts,
    clock: systemClock,
    random: systemRandom,
    verify,
    files,
    listenMs: config.listenMs,
    events: {
      evidence: ({ kind }) => {
        evidence[kind] = (evidence[kind] ?? 0) + 1;
      },
      foreignSignature: (message) => alarms.push(`foreign ${message.kind} of height ${message.height}`),
      refused: (message, error) =>
        alarms.push(`${message.kind} of height ${message.height}: ${error.message}`),
    },
  });
  process.on('message', (message: WorkerCommand) => {
    if (message.kind === 'report') tell({ kind: 'report', report: report(validator.status()) });
    if (message.kind === 'stop') void validator.stop();
  });
  const reason = await validator.ended;
  await application.close();
  await network.close();
  if (reason !== undefined) tell({ kind: 'failed', reason: `${reason.code} ${reason.message}` });
  process.exitCode = reason === undefined ? 0 : 1;
  process.off('disconnect', orphaned);
  process.disconnect();

  function report(status: ValidatorStatus): WorkerReport {
    const { user, system } = process.cpuUsage();
    const said = decisions;
    decisions = [];
    return {
      decisions: said,
      height: application.next().height - 1,
      status,
      cpuUs: user + system,
      rssBytes: process.memoryUsage().rss,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      wireBytesSent: network.networkStatus().bytesSent,
      syncs,
      ...counts,
      evidence,
      alarms,
    };
  }
}

/** Reports asked for before the validator runs are not answered. */
function command<K extends WorkerCommand['kind']>(kind: K): Promise<Extract<WorkerCommand, { kind: K }>> {
  return new Promise((resolve) => {
    const listener = (message: WorkerCommand): void => {
      if (message.kind !== kind) return;
      process.off('message', listener);
      resolve(message as Extract<WorkerCommand, { kind: K }>);
    };
    process.on('message', listener);
  });
}

// Whoever started it is gone: nobody else would end it.
const orphaned = (): never => process.exit(1);
process.on('disconnect', orphaned);
main().catch((error: unknown) => {
  tell({ kind: 'failed', reason: toStoreError(error, 'INTERNAL', 'validator').message });
  process.exit(1);
});
