// Twins: a liar made of honest code. A twinned validator is two processes with one key and one place in the set, each the real host and
// engine, neither knowing of the other; who hears whom is scripted round by round, and then everybody hears everybody. Whatever two
// copies of a key can do to the others is some script (Bano and others, "Twins: BFT systems made robust", arXiv 2004.10617).
//
// Within a third of the power the others must agree, and decide soon after the script. Beyond it they can be made to disagree; then what
// they were told must convict more than a third, and no one who is not a twin. What would stop a twin stands aside here: the guard of its
// key, and the noticing of a second copy.

import { votesOf } from '../../src/consensus/certificate.ts';
import type { EngineState } from '../../src/consensus/engine-state.ts';
import { conflictOf, guiltyOf, verifyEvidence } from '../../src/consensus/evidence.ts';
import { phaseMs } from '../../src/consensus/obligations.ts';
import type {
  BlockId,
  Evidence,
  Message,
  Proposal,
  ValidatorIndex,
  Vote,
} from '../../src/consensus/types.ts';
import { exceeds, powerOf } from '../../src/consensus/validator-set.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { toHex } from '../../src/base/bytes.ts';
import type { Decision } from '../../src/node/validator/host-ports.ts';
import { type HostEngine, type HostPorts, ValidatorHost } from '../../src/node/validator/host.ts';
import { realEngine } from '../../src/node/validator/real-engine.ts';
import { SeededRandom } from './random.ts';
import { Scheduler, Timer } from './scheduler.ts';
import { signedBy } from './signer.ts';
import {
  isWithinBound,
  KEYS,
  NETWORK,
  type Script,
  scriptOf,
  TIMEOUTS,
  type TwinsPlan,
} from './twins-script.ts';

export interface TwinsResult {
  readonly seed: number;
  readonly plan: TwinsPlan;
  readonly events: number;
  /** Two that are no twins decided differently. */
  readonly isForked: boolean;
  /** Whom the messages convict that were told to others than twins. Looked for after a fork. */
  readonly convicted: ReadonlySet<ValidatorIndex>;
  /** Rounds from the end of the script to the last decision. */
  readonly roundsAfter: number;
  readonly violation: string | undefined;
}

/** After the script frames take less than any phase. */
const QUIET_DELAY_MS = 5;
/** Rounds in which all must have decided once everybody hears everybody: each twin's, and those to meet in. */
const ROUNDS_AFTER_MAX = 6;

// ---- Run -------------------------------------------------------------------------------------------------------

export function runTwins(seed: number, plan: TwinsPlan): TwinsResult {
  const random = new SeededRandom(seed, `twins ${plan.validatorCount} ${plan.pairCount}`);
  const twins = new TwinsRun(seed, plan, scriptOf(random.fork('script'), plan), random);
  try {
    return twins.run();
  } catch (error) {
    // A broken invariant, or a defect.
    return twins.crashed(error);
  }
}

class TwinsRun {
  readonly #seed: number;
  readonly #plan: TwinsPlan;
  readonly #script: Script;
  readonly #random: SeededRandom;
  readonly #scheduler = new Scheduler();
  readonly #hosts: ValidatorHost<EngineState>[] = [];
  readonly #blocks: Map<BlockId, Uint8Array>[];
  readonly #decisions: (Decision | undefined)[];
  /** What each process signed, and what others than twins were told. */
  readonly #signed: (Proposal | Vote)[][];
  readonly #told: Message[] = [];
  #serial = 0;
  #violation: string | undefined;

  constructor(seed: number, plan: TwinsPlan, script: Script, random: SeededRandom) {
    this.#seed = seed;
    this.#plan = plan;
    this.#script = script;
    this.#random = random;
    this.#blocks = script.voices.map(() => new Map<BlockId, Uint8Array>());
    this.#decisions = script.voices.map(() => undefined);
    this.#signed = script.voices.map(() => []);
  }

  run(): TwinsResult {
    const { start, voices, endMs } = this.#script;
    const engine = realEngine({
      config: { timeouts: TIMEOUTS },
      network: NETWORK,
      verify: KEYS.verify,
      startOf: () => start,
    });
    for (const process of voices.keys()) {
      const own = this.#isTwin(process) ? unaware(engine) : engine;
      this.#hosts.push(new ValidatorHost(own, this.#ports(process)));
    }
    for (const [process, self] of voices.entries()) this.#hosts[process]!.start([], { ...start, self });
    while (this.#scheduler.step(endMs));
    const roundAtEnd = this.#highestRound();
    const isWithin = isWithinBound(this.#plan);
    // Beyond the bound, who was split may never meet again; what matters is over by then.
    const limitRound = roundAtEnd + ROUNDS_AFTER_MAX;
    const limitMs = endMs + 2 * phaseMs(TIMEOUTS, 'rebroadcast', limitRound) * ROUNDS_AFTER_MAX;
    while (!this.#isDone() && this.#highestRound() <= limitRound && this.#scheduler.step(limitMs));
    for (const host of this.#hosts) host.stop();
    if (isWithin && !this.#isDone()) {
      this.#fail(`not all have decided ${ROUNDS_AFTER_MAX} rounds after the script`);
    }
    return this.#judged(this.#highestRound() - roundAtEnd);
  }

  crashed(error: unknown): TwinsResult {
    this.#fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return this.#result(false, new Set(), 0);
  }

  #fail(text: string): void {
    this.#violation ??= text;
  }

  #isTwin(process: number): boolean {
    return this.#script.twins.has(this.#script.voices[process]!);
  }

  #singles(): number[] {
    return [...this.#script.voices.keys()].filter((process) => !this.#isTwin(process));
  }

  #isDone(): boolean {
    return this.#decisions.every((decision, process) => decision !== undefined || this.#isTwin(process));
  }

  #roundOf(process: number): number {
    return this.#hosts[process]!.state.driver?.round.round ?? 0;
  }

  #highestRound(): number {
    return Math.max(...this.#singles().map((process) => this.#roundOf(process)));
  }

  // ---- Ports ---------------------------------------------------------------------------------------------------

  #ports(process: number): HostPorts {
    const blocks = this.#blocks[process]!;
    return {
      wal: { append: () => {}, sync: (done) => done(), startHeight: (_start, done) => done(), close },
      signer: {
        sign: (message, done) => {
          const text = signBytes(NETWORK, message);
          const signed = signedBy(this.#script.signers[message.validator]!, text, message);
          this.#signed[process]!.push(signed);
          done(signed);
        },
        observe: () => {},
        close,
      },
      transport: {
        broadcast: (message, block) => {
          for (const to of this.#script.voices.keys()) this.#send(process, to, message, block);
        },
        send: (voice, message, block) => {
          for (const [to, other] of this.#script.voices.entries()) {
            if (other === voice) this.#send(process, to, message, block);
          }
        },
      },
      timers: {
        schedule: (delayMs, run) => {
          const timer = new Timer(run);
          this.#scheduler.after(delayMs, timer);
          return () => timer.cancel();
        },
      },
      application: {
        requestValue: (_height, _round, done) => {
          const block = new Uint8Array([process, this.#serial >> 8, this.#serial++ & 255]);
          blocks.set(blockIdOf(block), block);
          done(block);
        },
        judge: (_height, blockId, block, done) => {
          blocks.set(blockId, block);
          done(true);
        },
        fetch: (_height, blockId, holders, done) => this.#fetch(process, blockId, holders, done),
        decided: (_height, decision) => {
          this.#decisions[process] = decision;
        },
        decision: (_height, done) => done(this.#decisions[process]),
      },
      events: {
        evidence: (evidence) => this.#accused(process, evidence),
        foreignSignature: (message) => this.#fail(`process ${process} does not know its own ${message.kind}`),
        refused: () => {},
        failed: (error) => this.#fail(`process ${process}: ${error.message}`),
      },
      blockId: blockIdOf,
    };
  }

  #isHeard(from: number, to: number, kind?: Message['kind']): boolean {
    const { groups: all, precommitGroups } = this.#script;
    const groups = (kind === 'precommit' ? precommitGroups : all)[this.#roundOf(from)];
    if (groups === undefined || this.#scheduler.now >= this.#script.endMs) return true;
    return groups[from] === groups[to];
  }

  #delayMs(): number {
    const isQuiet = this.#scheduler.now >= this.#script.endMs;
    return 0.1 + this.#random.unit() * (isQuiet ? QUIET_DELAY_MS : this.#script.delayMaxMs);
  }

  #send(from: number, to: number, message: Message, block: Uint8Array | undefined): void {
    if (from === to || !this.#isHeard(from, to, message.kind)) return;
    // A twin does not hear what it seems to say itself.
    if ('validator' in message && message.validator === this.#script.voices[to]) return;
    this.#scheduler.after(this.#delayMs(), {
      run: () => {
        if (!this.#isTwin(to)) this.#told.push(message);
        this.#hosts[to]!.receive(message, block);
      },
    });
  }

  #fetch(
    process: number,
    blockId: BlockId,
    holders: readonly ValidatorIndex[],
    done: (block: Uint8Array | undefined) => void,
  ): void {
    const own = this.#blocks[process]!.get(blockId);
    if (own !== undefined) {
      done(own);
      return;
    }
    const { voices } = this.#script;
    const asked = [...voices.keys()].filter(
      (other) => holders.includes(voices[other]!) && this.#isHeard(process, other),
    );
    const block = asked.map((other) => this.#blocks[other]!.get(blockId)).find((each) => each !== undefined);
    this.#scheduler.after(this.#delayMs(), { run: () => done(block) });
  }

  // ---- Judging -------------------------------------------------------------------------------------------------

  #accused(process: number, evidence: Evidence): void {
    if (this.#isTwin(process)) return;
    const innocent = guiltyOf(evidence).filter((validator) => !this.#script.twins.has(validator));
    if (innocent.length > 0) this.#fail(`process ${process} accuses ${innocent.join()}: ${evidence.kind}`);
  }

  #judged(roundsAfter: number): TwinsResult {
    for (const process of this.#singles()) {
      const [contradiction] = contradictionsIn(this.#signed[process]!);
      if (contradiction !== undefined) this.#fail(`process ${process} is guilty of ${contradiction.kind}`);
    }
    const decided = new Set(
      this.#singles().flatMap((process) => this.#decisions[process]?.certificate.blockId ?? []),
    );
    const isForked = decided.size > 1;
    const convicted = isForked ? this.#convicted() : new Set<ValidatorIndex>();
    if (isForked && isWithinBound(this.#plan)) this.#fail(`${decided.size} blocks were decided`);
    if (isForked) this.#checkConvicted(convicted);
    return this.#result(isForked, convicted, roundsAfter);
  }

  #result(isForked: boolean, convicted: ReadonlySet<ValidatorIndex>, roundsAfter: number): TwinsResult {
    return {
      seed: this.#seed,
      plan: this.#plan,
      events: this.#scheduler.count,
      isForked,
      convicted,
      roundsAfter,
      violation: this.#violation,
    };
  }

  #convicted(): Set<ValidatorIndex> {
    const said = this.#told.flatMap((message): readonly (Proposal | Vote)[] =>
      'validator' in message ? [message] : votesOf(message),
    );
    const convicted = new Set<ValidatorIndex>();
    const { validators } = this.#script.start;
    for (const evidence of contradictionsIn(said)) {
      const problem = verifyEvidence(NETWORK, validators, evidence, KEYS.verify);
      if (problem !== undefined) this.#fail(`${evidence.kind} proves nothing: ${problem}`);
      for (const validator of guiltyOf(evidence)) convicted.add(validator);
    }
    return convicted;
  }

  #checkConvicted(convicted: ReadonlySet<ValidatorIndex>): void {
    const { start, twins } = this.#script;
    const { totalPower } = start.validators;
    const power = [...convicted].reduce((sum, validator) => sum + powerOf(start.validators, validator), 0n);
    if (!exceeds({ numerator: 1n, denominator: 3n }, power, totalPower)) {
      this.#fail(`a fork, and only ${[...convicted].join()} convicted of it`);
    }
    for (const validator of convicted) {
      if (!twins.has(validator)) this.#fail(`honest validator ${validator} is convicted`);
    }
  }
}

const close = async (): Promise<void> => {};

/** Without the noticing of a second copy, which shows in certificates. */
function unaware(engine: HostEngine<EngineState>): HostEngine<EngineState> {
  return {
    ...engine,
    step: (before, input) => {
      const { state, effects } = engine.step(before, input);
      return { state, effects: effects.filter(({ kind }) => kind !== 'foreign-signature') };
    },
  };
}

/** Blocks are short and all different, so they are their own ids. */
const blockIdOf = (block: Uint8Array): BlockId => toHex(block).padEnd(64, '0') as BlockId;

/** Every pair of one signer that cannot both be honest. */
function contradictionsIn(said: readonly (Proposal | Vote)[]): Evidence[] {
  const distinct = new Map<string, Proposal | Vote>();
  for (const message of said) {
    const { kind, validator, round, blockId, validRound } = message;
    distinct.set(`${kind}/${validator}/${round}/${blockId}/${validRound}`, message);
  }
  const messages = [...distinct.values()];
  const found: Evidence[] = [];
  for (const [index, first] of messages.entries()) {
    for (const second of messages.slice(index + 1)) {
      const evidence = conflictOf(first, second);
      if (evidence !== undefined) found.push(evidence);
    }
  }
  return found;
}
