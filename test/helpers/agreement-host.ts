// A host for the engine in tests: it performs effects one after another on lists instead of disks and networks, and stops at once
// when they come in an order that a crash could turn into a contradiction. What is under way (signatures asked for, timers
// armed, blocks wanted) it keeps book of by itself, as a twin for what the engine says after a replay.

import { assert } from '../../src/base/assert.ts';
import { resume, step } from '../../src/consensus/engine.ts';
import { type EngineConfig, type EngineState, INITIAL } from '../../src/consensus/engine-state.ts';
import {
  type BlockId,
  DEFAULT_TIMEOUTS,
  type Effect,
  type Evidence,
  type HeightStart,
  type Input,
  type Message,
  type TimeoutKind,
  type UnsignedMessage,
} from '../../src/consensus/types.ts';
import { nameOf, say, signed } from './agreement.ts';

export const CONFIG: EngineConfig = { timeouts: DEFAULT_TIMEOUTS };

/** The engine, or one whose rules a test has changed. */
export interface EngineModule {
  readonly step: typeof step;
  readonly resume: typeof resume;
}

export interface Timer {
  readonly timeout: TimeoutKind;
  readonly height: number;
  readonly round: number;
}

export interface Wanted {
  readonly height: number;
  readonly round: number;
}

export interface HostOptions {
  readonly engine?: EngineModule;
  /** False: a test signs by itself, when it likes. */
  readonly signsAtOnce?: boolean;
}

export class EngineHost {
  state: EngineState = INITIAL;
  /** The log of the height under way, and how much of it is durable. */
  log: Input[] = [];
  durable = 0;
  sent: Message[] = [];
  evidence: Evidence[] = [];
  foreign: Message[] = [];
  helped: { readonly to: number; readonly height: number }[] = [];
  decisions: Extract<Effect, { kind: 'decide' }>[] = [];
  halts: Extract<Effect, { kind: 'halt' }>[] = [];
  /** Under way. */
  toSign: UnsignedMessage[] = [];
  timers: Timer[] = [];
  values: Wanted[] = [];
  judging: BlockId[] = [];
  /** Texts that the key has signed. */
  readonly signatures: Set<string> = new Set();
  #guarded: { readonly place: readonly number[]; readonly text: string } = { place: [-1, 0, 0], text: '' };
  readonly #engine: EngineModule;
  readonly #signsAtOnce: boolean;

  constructor(options: HostOptions = {}) {
    this.#engine = options.engine ?? { step, resume };
    this.#signsAtOnce = options.signsAtOnce ?? true;
  }

  start(start: HeightStart): readonly Effect[] {
    return this.input({ kind: 'start-height', start });
  }

  hear(...messages: readonly Message[]): readonly Effect[] {
    return messages.flatMap((message) => this.input({ kind: 'message', message }));
  }

  judge(blockId: BlockId, isValid = true): readonly Effect[] {
    const { height } = this.state.driver!.start;
    return this.input({ kind: 'verdict', height, blockId, isValid });
  }

  make(blockId: BlockId): readonly Effect[] {
    const wanted = this.values[0];
    assert(wanted !== undefined, 'a block is made when one is asked for');
    return this.input({ kind: 'value', ...wanted, blockId });
  }

  timeOut(timeout: TimeoutKind): readonly Effect[] {
    const { start, round } = this.state.driver!;
    return this.input({ kind: 'timeout', timeout, height: start.height, round: round.round });
  }

  /** Every effect of the input, and of the signatures that came back because of it. */
  input(input: Input): readonly Effect[] {
    this.#settle(input);
    const before = this.state;
    const { state, effects } = this.#engine.step(CONFIG, before, input);
    this.state = state;
    checkOrder(before, state, input, effects);
    const repeats = input.kind === 'timeout' && input.timeout === 'rebroadcast';
    const said: Effect[] = effects.flatMap((effect) => this.#perform(effect, repeats));
    return this.#signsAtOnce ? [...said, ...this.sign()] : said;
  }

  /** Signs what was asked for, oldest first. */
  sign(count: number = Number.POSITIVE_INFINITY): readonly Effect[] {
    const effects: Effect[] = [];
    for (let done = 0; done < count && this.toSign.length > 0; done++) {
      const message = signed(this.toSign[0]!);
      effects.push(...this.input({ kind: 'signed', message }));
    }
    return effects;
  }

  /** What a crash leaves: the durable part of the log, played to a fresh engine, and then what it wants done. */
  restart(kept?: number): readonly Effect[] {
    this.log = this.log.slice(0, kept ?? this.durable);
    this.state = INITIAL;
    for (const input of this.log) this.state = this.#engine.step(CONFIG, this.state, input).state;
    this.toSign = [];
    this.timers = [];
    this.values = [];
    this.judging = [];
    return this.#engine.resume(CONFIG, this.state).flatMap((effect) => this.#perform(effect, true));
  }

  /** What was asked for is no longer asked for when it comes. */
  #settle(input: Input): void {
    if (input.kind === 'start-height') this.#forget();
    const isReturned =
      input.kind === 'message' && this.toSign.some((asked) => say(asked) === say(input.message));
    if (input.kind === 'signed' || isReturned) {
      const text = say(input.message);
      this.#guard(input.message);
      this.toSign = this.toSign.filter((asked) => say(asked) !== text);
      this.signatures.add(text);
    }
    if (input.kind === 'timeout') this.timers = this.timers.filter((timer) => !isSame(timer, input));
    if (input.kind === 'value') this.values = this.values.filter(({ round }) => round !== input.round);
    if (input.kind === 'verdict') this.judging = this.judging.filter((one) => one !== input.blockId);
  }

  /** Like the guard of the key, it lets pass what is later than all before, or the very same again. */
  #guard(message: Message): void {
    if (message.kind !== 'proposal' && message.kind !== 'prevote' && message.kind !== 'precommit') return;
    const ranks = { proposal: 0, prevote: 1, precommit: 2 };
    const place = [message.height, message.round, ranks[message.kind]];
    const before = this.#guarded;
    const differs = before.place.findIndex((part, index) => part !== place[index]);
    const isLater = differs !== -1 && place[differs]! > before.place[differs]!;
    assert(isLater || before.text === say(message), `${say(message)} was guarded after ${before.text}`);
    this.#guarded = { place, text: say(message) };
  }

  #forget(): void {
    this.log = [];
    this.durable = 0;
    this.values = [];
    this.judging = [];
  }

  #perform(effect: Effect, isRepeat: boolean): Effect[] {
    switch (effect.kind) {
      case 'append':
        this.log.push(effect.input);
        // The log of a height is made with its start in it.
        if (effect.input.kind === 'start-height') this.durable = this.log.length;
        break;
      case 'persist':
        this.durable = this.log.length;
        break;
      case 'sign':
        assert(this.durable === this.log.length, `persisted before ${say(effect.message)} is signed`);
        this.toSign.push(effect.message);
        break;
      case 'broadcast':
        this.#checkBroadcast(effect.message, isRepeat);
        this.sent.push(effect.message);
        break;
      case 'send-decision':
        this.helped.push(effect);
        break;
      case 'schedule-timeout':
        this.timers.push({ timeout: effect.timeout, height: effect.height, round: effect.round });
        break;
      case 'cancel-timeouts':
        this.timers = [];
        break;
      case 'request-value':
        this.values.push({ height: effect.height, round: effect.round });
        break;
      case 'validate':
        if (!this.judging.includes(effect.blockId)) this.judging.push(effect.blockId);
        break;
      case 'evidence':
        this.evidence.push(effect.evidence);
        break;
      case 'foreign-signature':
        this.foreign.push(effect.message);
        break;
      case 'decide':
        this.decisions.push(effect);
        break;
      case 'halt':
        this.halts.push(effect);
        break;
    }
    return [effect];
  }

  #checkBroadcast(message: Message, isRepeat: boolean): void {
    const { self } = this.state.driver!.start;
    assert(self !== undefined, 'a follower says nothing');
    const isOwn = 'validator' in message && message.validator === self;
    if (isOwn) assert(this.signatures.has(say(message)), `signed before it leaves: ${say(message)}`);
    else assert(isRepeat || this.durable === this.log.length, `persisted before it leaves: ${say(message)}`);
  }
}

const isSame = (a: Timer, b: Timer): boolean =>
  a.timeout === b.timeout && a.height === b.height && a.round === b.round;

/** An input is appended before anything else that it causes; one that left no trace has no place in the log. */
function checkOrder(before: EngineState, after: EngineState, input: Input, effects: readonly Effect[]): void {
  const appended = effects.findIndex((effect) => effect.kind === 'append');
  assert(appended <= 0, `appended first: ${input.kind}`);
  if (appended === 0) assert(before !== after, `what is appended changes the state: ${input.kind}`);
  const hasSigned = effects.some((effect) => effect.kind === 'sign');
  if (hasSigned) assert(appended === 0, `nothing is signed for an input that is not appended: ${input.kind}`);
}

// ---- In words ---------------------------------------------------------------------------------------------------------

export function sayInput(input: Input): string {
  switch (input.kind) {
    case 'start-height':
      return `start-height ${input.start.height}`;
    case 'message':
      return say(input.message);
    case 'signed':
      return `signed ${say(input.message)}`;
    case 'value':
      return `value ${input.height}/${input.round} ${nameOf(input.blockId)}`;
    case 'verdict':
      return `verdict ${nameOf(input.blockId)} ${input.isValid ? 'valid' : 'invalid'}`;
    case 'timeout':
      return `timeout ${input.timeout} ${input.height}/${input.round}`;
  }
}

export function sayEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'append':
      return `append ${sayInput(effect.input)}`;
    case 'persist':
    case 'cancel-timeouts':
      return effect.kind;
    case 'sign':
    case 'broadcast':
    case 'foreign-signature':
      return `${effect.kind} ${say(effect.message)}`;
    case 'send-decision':
      return `send-decision ${effect.height} to ${effect.to}`;
    case 'schedule-timeout':
      return `schedule ${effect.timeout} ${effect.height}/${effect.round} in ${effect.durationMs} ms`;
    case 'request-value':
      return `request-value ${effect.height}/${effect.round}`;
    case 'validate':
      return `validate ${nameOf(effect.blockId)} from ${effect.holders.join(' ')}`.trimEnd();
    case 'evidence':
      return `evidence ${sayEvidence(effect.evidence)}`;
    case 'decide':
      return `decide ${effect.height} ${nameOf(effect.blockId)} by ${say(effect.certificate)}`;
    case 'halt':
      return `halt ${effect.height} ${nameOf(effect.blockId)} by ${say(effect.certificate)}`;
  }
}

function sayEvidence(evidence: Evidence): string {
  switch (evidence.kind) {
    case 'double-vote':
    case 'double-proposal':
      return `${evidence.kind}: ${say(evidence.first)}, ${say(evidence.second)}`;
    case 'amnesia':
      return `amnesia: ${say(evidence.precommit)}, ${say(evidence.prevote)}`;
    case 'light-client-attack':
      return `light-client-attack: ${say(evidence.conflicting)}, not ${say(evidence.committed)}`;
  }
}
