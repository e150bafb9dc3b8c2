// A chain without agreement: one makes blocks, and another that has the same transactions waiting judges and commits them, each on a
// database on disk. What the ledger alone costs, step by step.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VERIFIED_SIGNATURES_MAX } from '../../src/base/limits.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import { commitCertificate } from '../../src/consensus/certificate.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { NO_ROUND } from '../../src/consensus/types.ts';
import { Chain } from '../../src/node/chain/chain.ts';
import { openChainStore } from '../../src/node/chain/chain-store.ts';
import { Intake } from '../../src/node/chain/intake.ts';
import type { ChainStore } from '../../src/node/chain/types.ts';
import { rememberingVerify } from '../../src/node/chain/verified-signatures.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { type LocalKeyValue, openKeyValue } from '../../src/runtime/key-value.ts';
import { firstHead, type FoundingDocument, foundState } from '../../src/shards/founding.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { signerFrom } from '../helpers/records.ts';
import { accountAt, benchFounding, type Handed, Work, type WorkOptions } from './chain-work.ts';

/** Milliseconds of CPU of this process, and of wall time. */
export interface Cost {
  cpuMs: number;
  wallMs: number;
}

export type Step = 'admit' | 'build' | 'judge' | 'commit';
export type Costs = Readonly<Record<Step, Cost>>;

const STEPS: readonly Step[] = ['admit', 'build', 'judge', 'commit'];

export function noCosts(): Costs {
  return Object.fromEntries(STEPS.map((step) => [step, { cpuMs: 0, wallMs: 0 }])) as unknown as Costs;
}

export async function timed<T>(cost: Cost, run: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const before = process.cpuUsage();
  const result = await run();
  const { user, system } = process.cpuUsage(before);
  cost.cpuMs += (user + system) / 1000;
  cost.wallMs += performance.now() - began;
  return result;
}

export class SoloBench {
  readonly network: NetworkId;
  readonly work: Work;
  readonly store: ChainStore;
  readonly chain: Chain;
  readonly folder: string;
  readonly #keyValue: LocalKeyValue;
  readonly #intake: Intake;
  readonly #other: Seat;
  readonly #validator = signerFrom('bench validator');

  private constructor(
    network: NetworkId,
    folder: string,
    keyValue: LocalKeyValue,
    store: ChainStore,
    chain: Chain,
    intake: Intake,
    other: Seat,
  ) {
    this.network = network;
    this.folder = folder;
    this.work = new Work(network);
    this.#keyValue = keyValue;
    this.store = store;
    this.chain = chain;
    this.#intake = intake;
    this.#other = other;
  }

  static async open(options: Omit<WorkOptions, 'validators'> = {}): Promise<SoloBench> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-solo-'));
    const validator = signerFrom('bench validator').publicKey as NodeId;
    const founding = benchFounding({ ...options, validators: [validator] });
    const network = founding.signed.record.network;
    const maker = await openSeat(join(folder, 'chain'), founding);
    const other = await openSeat(join(folder, 'other'), founding);
    const { keyValue, store, chain, intake } = maker;
    return new SoloBench(network, folder, keyValue, store, chain, intake, other);
  }

  get accounts(): typeof accountAt {
    return accountAt;
  }

  /** Hands in, and makes blocks until nothing waits and nothing is on its way; how many blocks that took. */
  async run(work: readonly Handed[], costs: Costs): Promise<number> {
    await timed(costs.admit, async () => {
      for (const { bytes } of work) await this.#intake.submit(bytes);
    });
    for (const { bytes } of work) await this.#other.intake.submit(bytes);
    let blocks = 0;
    do {
      await this.step(costs);
      blocks++;
    } while (this.#intake.pool.size > 0 || this.chain.next.hasReceipts);
    return blocks;
  }

  async step(costs: Costs): Promise<void> {
    const { height } = this.chain.next;
    const block = await timed(costs.build, () =>
      this.chain.build(height, {
        proposer: this.#validator.publicKey as NodeId,
        candidates: this.#intake.candidates(),
        evidence: [],
        reveal: () => undefined,
      }),
    );
    if (block === undefined) throw new Error('the chain moved on by itself');
    const blockId = this.chain.idOf(block.bytes);
    const isValid = await timed(costs.judge, () => this.#other.chain.judge(height, blockId, block.bytes));
    if (isValid !== true) throw new Error('an invalid block');
    const about = {
      kind: 'precommit',
      height,
      round: 0,
      blockId,
      validRound: NO_ROUND,
      validator: 0,
    } as const;
    const signature = this.#validator.sign(signBytes(this.network, about));
    const certificate = commitCertificate([{ ...about, signature }]);
    await timed(costs.commit, () => this.chain.commit(certificate, block.bytes));
    await this.#other.chain.commit(certificate, block.bytes);
  }

  async close(): Promise<void> {
    for (const { chain, keyValue } of [{ chain: this.chain, keyValue: this.#keyValue }, this.#other]) {
      await chain.close();
      await keyValue.close();
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Seat {
  readonly keyValue: LocalKeyValue;
  readonly store: ChainStore;
  readonly chain: Chain;
  readonly intake: Intake;
}

async function openSeat(folder: string, founding: FoundingDocument): Promise<Seat> {
  const keyValue = await openKeyValue(folder);
  const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
  const networkId = founding.signed.record.network;
  await store.found(foundState(founding, nativeSha256), firstHead(founding, nativeSha256), networkId);
  const verify = rememberingVerify(nativeVerify, VERIFIED_SIGNATURES_MAX);
  const rules = { networkId, rules: LEDGER_RULES, sha256: nativeSha256, verify };
  const chain = await Chain.open({ ...rules, store, clock: { now: () => Date.now() } });
  const intake = new Intake(chain, rules, () => undefined);
  return { keyValue, store, chain, intake };
}
