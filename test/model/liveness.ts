// Bounded liveness. "Eventually" cannot be seen in finitely many states; this can: after any disorder, once all that one honest validator knows
// reaches all before the next time-out fires, everybody decides within a few rounds. Runs are sampled: a random asynchronous
// prefix with a liar, then order, in which the liar goes on. The real driver and vote keeper, messages one by one.
//
// In order, time-outs fire slowest validator first, and a validator repeats what the engine's obligations say: its votes, the polka of its lock
// and of its re-proposal, the certificate of its decision.

import type { RoundOutput } from '../../src/consensus/round.ts';
import type { DriverState, DriverTransition } from '../../src/consensus/driver.ts';
import {
  type BlockId,
  type CertificateSignature,
  type CommitCertificate,
  NO_ROUND,
  type PolkaCertificate,
  type Proposal,
  type UnsignedMessage,
  type ValidatorSet,
  type Vote,
} from '../../src/consensus/types.ts';
import type { Engine } from './engine.ts';
import { hash } from './key-set.ts';
import { setOf } from './network.ts';
import { type Random, randomOf } from './random.ts';
import { BELOW_A_THIRD } from './suite.ts';

export interface LivenessOptions {
  readonly runs: number;
  readonly seed: number;
  /** Rounds after the return of order within which all must decide. */
  readonly roundsMax: number;
}

export interface LivenessResult {
  readonly runs: number;
  readonly inputs: number;
  readonly worstRounds: number;
  /** Runs by how many rounds they took after the return of order. */
  readonly roundCounts: readonly number[];
  readonly digest: string;
  readonly violations: readonly string[];
}

const PREFIX_STEPS_MAX = 140;
const PREFIX_ROUNDS = 3;
const VIOLATIONS_MAX = 5;
const INVALID = 'e'.repeat(64) as BlockId;
const SIGNATURE = new Uint8Array(64) as Vote['signature'];

export function runLiveness(engine: Engine, options: LivenessOptions): LivenessResult {
  const roundCounts: number[] = [];
  const violations: string[] = [];
  let [inputs, digest, runs] = [0, 0, 0];
  for (; runs < options.runs && violations.length < VIOLATIONS_MAX; runs++) {
    const world = new World(engine, randomOf(options.seed + runs));
    world.runDisorder();
    const outcome = world.runOrder(options.roundsMax);
    inputs += world.inputs;
    if (typeof outcome === 'string') {
      violations.push(`${outcome} (run: --seed ${options.seed + runs} --runs 1)`);
      continue;
    }
    roundCounts[outcome] = (roundCounts[outcome] ?? 0) + 1;
    digest = hash(digest ^ outcome, world.inputs);
  }
  return {
    runs,
    inputs,
    worstRounds: roundCounts.length - 1,
    roundCounts: Array.from(roundCounts, (count) => count ?? 0),
    digest: (digest >>> 0).toString(16).padStart(8, '0'),
    violations,
  };
}

type Timer = Extract<RoundOutput, { kind: 'schedule' }>;
type Heard = Proposal | Vote | PolkaCertificate | CommitCertificate;

interface Node {
  readonly self: number;
  state: DriverState;
  timers: Timer[];
  /** Rounds for which the application owes a block. */
  requests: number[];
  /** Of `World.heard`, what this node has taken in for good. */
  readonly isTaken: boolean[];
  decided: BlockId | undefined;
}

class World {
  inputs = 0;
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #set: ValidatorSet;
  readonly #liar: number;
  readonly #isLiarSilent: boolean;
  readonly #slots: readonly number[];
  readonly #nodes: Node[];
  /** Everything that any honest validator knows or has sent. */
  readonly #heard: Heard[] = [];
  readonly #keys = new Map<string, number>();
  #problem: string | undefined;

  constructor(engine: Engine, random: Random) {
    this.#engine = engine;
    this.#random = random;
    const { powers } = random.pick(BELOW_A_THIRD);
    const total = powers.reduce((sum, power) => sum + power, 0);
    this.#set = setOf(engine, powers);
    this.#liar = random.pick([...powers.keys()].filter((index) => 3 * powers[index]! < total));
    this.#isLiarSilent = random.chance(0.3);
    this.#slots = random.shuffled([...powers.keys()]);
    this.#nodes = [...powers.keys()]
      .filter((index) => index !== this.#liar)
      .map((self) => this.#nodeOf(self));
  }

  #nodeOf(self: number): Node {
    const proposers = { firstHeight: 1, slots: this.#slots };
    const start = { height: 1, validators: this.#set, proposers, self };
    const state = this.#engine.driver.driverOf(start);
    return { self, state, timers: [], requests: [], isTaken: [], decided: undefined };
  }

  // ---- Disorder ----------------------------------------------------------------------------------------------

  runDisorder(): void {
    for (let steps = this.#random.below(PREFIX_STEPS_MAX); steps > 0; steps--) {
      const node = this.#random.pick(this.#nodes);
      if (node.state.round.step === 'unstarted') this.#start(node);
      else this.#disturb(node);
    }
  }

  #disturb(node: Node): void {
    switch (this.#random.below(10)) {
      case 0:
      case 1: {
        const at = this.#random.below(node.timers.length);
        const timer = node.timers[at];
        const isLast = timer?.timeout === 'precommit' && timer.round === PREFIX_ROUNDS - 1;
        if (timer !== undefined && !isLast) this.#fire(node, at);
        return;
      }
      case 2: {
        const round = node.requests.shift();
        if (round !== undefined) this.#value(node, round);
        return;
      }
      case 3: {
        const proposal = this.#random.pick(node.state.proposals);
        if (proposal !== undefined) this.#verdict(node, proposal.blockId);
        return;
      }
      case 4:
      case 5:
        return this.#lieTo(node);
      default: {
        const at = this.#random.below(this.#heard.length);
        if (this.#heard[at] !== undefined && node.isTaken[at] !== true) this.#deliver(node, at);
        return;
      }
    }
  }

  /** One message of the liar, to one node; what the node takes in belongs to what is known from then on. */
  #lieTo(node: Node): void {
    const echoed = this.#random.pick(this.#heard);
    if (
      echoed !== undefined &&
      'validator' in echoed &&
      echoed.kind !== 'proposal' &&
      this.#random.chance(0.5)
    )
      return this.#tell(node, echoed);
    const round = Math.max(0, node.state.round.round + this.#random.below(3) - 1);
    const blocks = this.#heard.flatMap((message) => (message.kind === 'proposal' ? [message.blockId] : []));
    const own = [blockOf(this.#liar, 0), blockOf(this.#liar, 1), INVALID];
    const blockId = this.#random.pick([...blocks, ...own])!;
    const validRound = this.#random.chance(0.5) ? NO_ROUND : this.#random.below(round + 1) - 1;
    const kind = this.#random.pick(['proposal', 'prevote', 'prevote', 'precommit'] as const);
    if (kind === 'proposal') {
      if (this.#slots[round % this.#slots.length] !== this.#liar) return;
      this.#tell(node, { kind, round, blockId, validRound });
      return;
    }
    const isNil = this.#random.chance(0.3);
    const claimed = kind === 'prevote' && !isNil ? validRound : NO_ROUND;
    this.#tell(node, { kind, round, blockId: isNil ? null : blockId, validRound: claimed });
  }

  #tell(node: Node, said: Pick<UnsignedMessage, 'kind' | 'round' | 'blockId' | 'validRound'>): void {
    const { kind, round, blockId, validRound } = said;
    const message = {
      kind,
      round,
      blockId,
      validRound,
      height: 1,
      validator: this.#liar,
      signature: SIGNATURE,
    };
    this.#deliver(node, this.#hear(message as Proposal | Vote));
  }

  // ---- Order -------------------------------------------------------------------------------------------------

  /** Rounds that it took until all had decided, or what went wrong. */
  runOrder(roundsMax: number): number | string {
    for (const node of this.#nodes) if (node.state.round.step === 'unstarted') this.#start(node);
    this.#spread();
    const first = this.#highestRound();
    while (this.#problem === undefined) {
      const waiting = this.#nodes.filter((node) => node.decided === undefined);
      if (waiting.length === 0) return this.#highestRound() - first;
      if (this.#highestRound() - first > roundsMax)
        return `no decision ${roundsMax} rounds after order returned`;
      if (!this.#isLiarSilent && this.#random.chance(0.5)) this.#lieTo(this.#random.pick(this.#nodes));
      this.#spread();
      if (!this.#fireSlowest()) {
        if (this.#nodes.every((node) => node.decided !== undefined)) continue;
        return 'nobody moves, and not everybody has decided';
      }
      this.#spread();
    }
    return this.#problem;
  }

  #highestRound(): number {
    return Math.max(...this.#nodes.map((node) => node.state.round.round));
  }

  /** Until nothing is new to anybody: all messages, all blocks, all answers of the application. */
  #spread(): void {
    for (let before = -1; before !== this.inputs; ) {
      before = this.inputs;
      for (const node of this.#nodes) {
        for (const round of node.requests.splice(0)) this.#value(node, round);
        for (let at = 0; at < this.#heard.length; at++)
          if (node.isTaken[at] !== true) this.#deliver(node, at);
        for (const message of this.#heard) {
          if (
            message.kind === 'proposal' ||
            message.kind === 'commit-certificate' ||
            message.kind === 'polka-certificate'
          )
            this.#verdict(node, message.blockId);
        }
      }
    }
  }

  #fireSlowest(): boolean {
    const order = ['propose', 'prevote', 'precommit'];
    const candidates = this.#nodes
      .filter((node) => node.decided === undefined)
      .flatMap((node) => node.timers.map((timer, at) => ({ node, timer, at })))
      .filter(({ node, timer }) => timer.round === node.state.round.round)
      .sort(
        (a, b) =>
          a.timer.round - b.timer.round ||
          order.indexOf(a.timer.timeout) - order.indexOf(b.timer.timeout) ||
          a.node.self - b.node.self,
      );
    const [slowest] = candidates;
    if (slowest !== undefined) this.#fire(slowest.node, slowest.at);
    return slowest !== undefined;
  }

  // ---- Inputs ------------------------------------------------------------------------------------------------

  #start(node: Node): void {
    this.#apply(node, this.#engine.driver.driveStart(node.state));
  }

  #fire(node: Node, at: number): void {
    const { timeout, round } = node.timers.splice(at, 1)[0]!;
    this.#apply(node, this.#engine.driver.driveTimeout(node.state, timeout, round));
  }

  #value(node: Node, round: number): void {
    this.#apply(node, this.#engine.driver.driveValue(node.state, round, blockOf(node.self, round)));
  }

  #verdict(node: Node, blockId: BlockId): void {
    const { driver } = this.#engine;
    if (driver.verdictOn(node.state, blockId) !== undefined) return;
    this.#apply(node, driver.driveVerdict(node.state, { blockId, isValid: blockId !== INVALID }));
  }

  #deliver(node: Node, at: number): void {
    const { driver } = this.#engine;
    const message = this.#heard[at]!;
    // What lies further ahead may be forgotten; it is repeated until the node has come so far.
    node.isTaken[at] = message.round <= node.state.round.round + 1 || message.kind.endsWith('certificate');
    switch (message.kind) {
      case 'proposal':
        return this.#apply(node, driver.driveProposal(node.state, message));
      case 'prevote':
      case 'precommit':
        return this.#apply(node, driver.driveVote(node.state, message));
      case 'polka-certificate':
        return this.#apply(node, driver.drivePolka(node.state, message));
      case 'commit-certificate':
        return this.#apply(node, driver.driveCommit(node.state, message));
    }
  }

  #apply(node: Node, { state, outputs }: DriverTransition): void {
    if (state === node.state) return;
    this.inputs++;
    node.state = state;
    for (const output of outputs) this.#perform(node, output);
  }

  #perform(node: Node, output: RoundOutput): void {
    switch (output.kind) {
      case 'schedule':
        node.timers.push(output);
        return;
      case 'request-value':
        node.requests.push(output.round);
        return;
      case 'propose':
        if (output.validRound !== NO_ROUND) this.#showPolka(node, output.validRound, output.blockId);
        return this.#say(node, { ...output, kind: 'proposal' });
      case 'prevote':
        return this.#say(node, output);
      case 'precommit':
        return this.#say(node, { ...output, validRound: NO_ROUND });
      case 'lock':
        return this.#showPolka(node, output.round, output.blockId);
      case 'decide':
        return this.#decide(node, output.round, output.blockId);
      case 'enter-round':
      case 'await-block':
        return;
    }
  }

  #say(node: Node, said: Pick<UnsignedMessage, 'kind' | 'round' | 'blockId' | 'validRound'>): void {
    const { kind, round, blockId, validRound } = said;
    const body = { kind, height: 1, round, blockId, validRound, validator: node.self, signature: SIGNATURE };
    this.#deliver(node, this.#hear(body as Proposal | Vote));
    if (kind === 'proposal') this.#verdict(node, blockId!);
  }

  #showPolka(node: Node, round: number, blockId: BlockId): void {
    const { polkaFor, votesFor } = this.#engine.voteKeeper;
    const { votes } = node.state;
    const validRound = polkaFor(votes, round, blockId);
    if (validRound === undefined) {
      this.#problem ??= `a polka of round ${round} that is not there`;
      return;
    }
    const known = votes.polkas.find((polka) => polka.round === round && polka.blockId === blockId);
    const signatures = votesFor(votes, 'prevote', round, blockId, validRound).map(signatureOf);
    this.#hear(known ?? { kind: 'polka-certificate', height: 1, round, blockId, validRound, signatures });
  }

  #decide(node: Node, round: number, blockId: BlockId): void {
    node.decided = blockId;
    if (this.#nodes.some((other) => other.decided !== undefined && other.decided !== blockId))
      this.#problem ??= 'agreement: two different decisions';
    const { votes } = node.state;
    const signatures = this.#engine.voteKeeper
      .votesFor(votes, 'precommit', round, blockId, NO_ROUND)
      .map(signatureOf);
    this.#hear(votes.commit ?? { kind: 'commit-certificate', height: 1, round, blockId, signatures });
  }

  #hear(message: Heard): number {
    const { kind, round, blockId } = message;
    const key = `${kind} ${round} ${blockId} ${'validRound' in message ? message.validRound : ''} ${'validator' in message ? message.validator : ''}`;
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    this.#keys.set(key, this.#heard.length);
    return this.#heard.push(message) - 1;
  }
}

const signatureOf = ({ validator, signature }: Vote): CertificateSignature => ({ validator, signature });

const blockOf = (proposer: number, round: number): BlockId =>
  `${proposer}${round % 10}`.padStart(64, '0') as BlockId;
