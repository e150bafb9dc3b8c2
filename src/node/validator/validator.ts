// A validator that runs: engine and host, log and key on disk, frames to the others, and the application, put together, started and
// stopped as one. What blocks mean is the application's business.
//
// Layout of the folder: `wal/` the write-ahead log, `signer/` the guard of the key.
//
// Invariants: nothing is signed at a height of which the log does not remember the guard's last signature; a failure of disk or
// log ends the validator with that StoreError, and nothing is sent after it; `stop` returns when everything is closed.

import { join } from 'node:path';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import { BLOCK_LENGTH_MAX } from '../../base/limits.ts';
import type { Clock, Network, Random, Verify } from '../../base/ports.ts';
import type { EngineConfig, EngineState } from '../../consensus/engine-state.ts';
import {
  type GuardOwner,
  type GuardRecord,
  guardRecord,
  isRemembered,
} from '../../consensus/signer-guard.ts';
import type {
  BlockId,
  HeightStart,
  Input,
  Message,
  TimeoutParams,
  UnsignedMessage,
} from '../../consensus/types.ts';
import { indexOf } from '../../consensus/validator-set.ts';
import type { Verdict } from '../../consensus/verify.ts';
import { type Files, systemFiles } from '../../runtime/files.ts';
import type { Identity } from '../../runtime/identity.ts';
import { CatchUp } from './catch-up.ts';
import { type HostEngine, type LastSigned, ValidatorHost } from './host.ts';
import type { ApplicationPort, HostEvents } from './host-ports.ts';
import type { SignerPort } from './ports.ts';
import { realEngine } from './real-engine.ts';
import { readGuardFile } from './guard-file.ts';
import { openSigner } from './signer-file.ts';
import { type TransportCounts, ValidatorTransport } from './transport.ts';
import { openWal } from './wal-file.ts';

/** What blocks mean; fetching them from others is done here. Everything else as in `ApplicationPort`. */
export interface ValidatorApplication extends Omit<ApplicationPort, 'fetch'> {
  /** The height after the last decision. */
  next(): HeightStart;
  /** Who votes and proposes at a height: the one under way, those below that it still serves, and the next if it is settled. */
  startOf(height: number): Pick<HeightStart, 'validators' | 'proposers'> | undefined;
  /** What is agreed on, of the bytes of a block. Other bytes have another id. */
  blockId(block: Uint8Array): BlockId;
  /** A validator speaks of a height: whoever waits with beginning it need not wait any more. */
  heard(node: NodeId, message: Pick<Message, 'kind' | 'height'>): void;
  /** A block of the height that this application made, found valid, or knows to be decided. */
  held(height: number, blockId: BlockId, done: (block: Uint8Array | undefined) => void): void;
}

export interface ValidatorOptions {
  readonly folder: string;
  readonly networkId: NetworkId;
  /** The key that the others know; its guard must exist (`guardNewKey` makes it). Also the network's. */
  readonly identity: Identity;
  readonly network: Network;
  readonly application: ValidatorApplication;
  /** Read each time that one is set: they are parameters of the network and may change. */
  readonly timeouts: TimeoutParams;
  readonly clock: Clock;
  readonly random: Random;
  readonly verify: Verify;
  readonly files?: Files;
  /** How long to listen before the first signature. */
  readonly listenMs?: number;
  readonly events?: Partial<Omit<HostEvents, 'failed'>>;
}

export interface ValidatorStatus {
  readonly height: number | undefined;
  readonly transport: TransportCounts;
  /** Messages from the network by what was made of them: `accept`, or the reason against. */
  readonly verdicts: Readonly<Record<string, number>>;
}

export interface Validator {
  status(): ValidatorStatus;
  /** Resolves when it has stopped: with the failure that ended it, or undefined after `stop`. */
  readonly ended: Promise<StoreError | undefined>;
  /** Ends it, and returns when log and key are closed. The network stays open. */
  stop(): Promise<void>;
}

/** What the key of a folder signed last, while no validator runs there. Throws INVALID_IDENTITY, DAMAGED, WRONG_NETWORK, INVALID_CONFIG, UNSUPPORTED, DISK. */
export async function lastSignedIn(
  folder: string,
  owner: GuardOwner,
  files: Files = systemFiles,
): Promise<GuardRecord | undefined> {
  return (await readGuardFile(signerFolder(folder), owner, files))?.last;
}

const signerFolder = (folder: string): string => join(folder, 'signer');

/** Throws what `openWal` and `openSigner` throw, and DAMAGED when the log is ahead of the application. */
export async function startValidator(options: ValidatorOptions): Promise<Validator> {
  const { folder, networkId, identity, clock, random, application } = options;
  const files = options.files === undefined ? {} : { files: options.files };
  const { wal, inputs } = await openWal({
    folder: join(folder, 'wal'),
    network: networkId,
    node: identity.nodeId,
    random,
    ...files,
  });
  const listen = options.listenMs === undefined ? {} : { listenMs: options.listenMs };
  const signerOptions = { folder: signerFolder(folder), network: networkId, identity, clock };
  const { signer, last } = await openSigner({ ...signerOptions, ...files, ...listen }).catch(
    async (error: unknown) => {
      await wal.close();
      throw error;
    },
  );
  const running = new RunningValidator(options, wal, signer);
  try {
    running.start(inputs, application.next(), last);
  } catch (error) {
    await running.stop();
    throw toStoreError(error, 'INTERNAL', 'cannot start the validator');
  }
  return running;
}

type OpenWal = Awaited<ReturnType<typeof openWal>>['wal'];

class RunningValidator implements Validator {
  readonly ended: Promise<StoreError | undefined>;
  readonly #options: ValidatorOptions;
  readonly #wal: OpenWal;
  readonly #signer: SignerPort;
  readonly #engine: HostEngine<EngineState>;
  readonly #transport: ValidatorTransport;
  readonly #catchUp: CatchUp;
  readonly #verdicts: Record<string, number> = {};
  readonly #end = Promise.withResolvers<StoreError | undefined>();
  #host: ValidatorHost<EngineState> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: ValidatorOptions, wal: OpenWal, signer: SignerPort) {
    const { network, networkId, clock, application, verify } = options;
    this.ended = this.#end.promise;
    this.#options = options;
    this.#wal = wal;
    this.#signer = signer;
    const startOf = (height: number) => application.startOf(height);
    this.#engine = this.#watched(
      realEngine({ config: liveConfig(options), network: networkId, verify, startOf }),
    );
    this.#transport = new ValidatorTransport({
      network,
      clock,
      validatorsAt: (height) => startOf(height)?.validators,
      receive: (from, message, block) => this.#receive(from, message, block),
      held: (height, blockId) => new Promise((resolve) => application.held(height, blockId, resolve)),
      decision: (height) => new Promise((resolve) => application.decision(height, resolve)),
    });
    this.#catchUp = new CatchUp({
      clock,
      height: () => this.#host?.height,
      ask: (node, height) => this.#transport.fetchDecision(node, height),
      take: (node, { certificate, block }) => this.#receive(node, certificate, block),
    });
  }

  start(logged: readonly Input[], next: HeightStart, last: GuardRecord | undefined): void {
    const { networkId, clock, events, application } = this.#options;
    const host = new ValidatorHost(this.#engine, {
      wal: this.#wal,
      signer: this.#signer,
      transport: this.#transport,
      timers: { schedule: (delayMs, run) => clock.timer(delayMs, run) },
      application: this.#application(),
      events: {
        evidence: (evidence) => events?.evidence?.(evidence),
        foreignSignature: (message) => events?.foreignSignature?.(message),
        refused: (message, error) => events?.refused?.(message, error),
        failed: (error) => void this.#close(error),
      },
      blockId: (block) => application.blockId(block),
    });
    this.#host = host;
    if (last === undefined) host.start(logged, next);
    else host.start(logged, next, lastSigned(networkId, last, next.height));
  }

  status(): ValidatorStatus {
    return {
      height: this.#host?.height,
      transport: this.#transport.counts,
      verdicts: { ...this.#verdicts },
    };
  }

  async stop(): Promise<void> {
    await this.#close(undefined);
  }

  #close(reason: StoreError | undefined): Promise<void> {
    this.#stopping ??= (async () => {
      this.#catchUp.stop();
      this.#host?.stop();
      this.#transport.stop();
      await Promise.all([this.#wal.close(), this.#signer.close()]);
      this.#end.resolve(reason);
    })();
    return this.#stopping;
  }

  #receive(from: NodeId, message: Message, block?: Uint8Array): void {
    if (this.#host === undefined || this.#stopping !== undefined) return;
    if (this.#isMember(from)) {
      this.#catchUp.heard(from, message.height);
      this.#options.application.heard(from, message);
    }
    this.#host.receive(message, block);
  }

  /** Of the set that is known here: of a height far ahead, anybody may speak. */
  #isMember(node: NodeId): boolean {
    const height = this.#host?.height;
    const set = height === undefined ? undefined : this.#options.application.startOf(height)?.validators;
    return set !== undefined && indexOf(set, node) !== undefined;
  }

  /** The engine, with its verdicts counted and the begin of each height noticed. */
  #watched(engine: HostEngine<EngineState>): HostEngine<EngineState> {
    const count = (verdict: Verdict): Verdict => {
      const name = verdict.verdict === 'accept' ? 'accept' : `${verdict.verdict} ${verdict.reason}`;
      this.#verdicts[name] = (this.#verdicts[name] ?? 0) + 1;
      return verdict;
    };
    return {
      ...engine,
      judge: (state, message) => count(engine.judge(state, message)),
      step: (state, input) => {
        if (input.kind === 'start-height') this.#catchUp.advanced();
        return engine.step(state, input);
      },
    };
  }

  /** The application as the host sees it: blocks that it lacks come from the others. */
  #application(): ApplicationPort {
    const { application } = this.#options;
    return {
      requestValue: (height, round, done) => application.requestValue(height, round, done),
      judge: (height, blockId, block, done) => {
        if (block.length > BLOCK_LENGTH_MAX) done(false);
        else application.judge(height, blockId, block, done);
      },
      fetch: (height, blockId, holders, done) => {
        application.held(height, blockId, (block) => {
          if (block !== undefined || holders.length === 0) done(block);
          else void this.#transport.fetchBlock(height, blockId, holders, done);
        });
      },
      decided: (height, decision, done) => application.decided(height, decision, done),
      decision: (height, done) => application.decision(height, done),
    };
  }
}

function liveConfig(options: ValidatorOptions): EngineConfig {
  return {
    get timeouts() {
      return options.timeouts;
    },
  };
}

function lastSigned(network: NetworkId, last: GuardRecord, height: number): LastSigned {
  const record = (message: UnsignedMessage): GuardRecord => guardRecord(network, message);
  return { height: last.height, isAmong: (asked) => isRemembered(last, height, asked.map(record)) };
}
