// The host of a validator's engine: it queues what happens, has the engine say what follows, and does it, in order. It decides
// nothing about agreement. No promise stands in its path, so that the simulator runs this very code, event by event.
//
// Invariants: one effect at a time, none before the one in front of it has ended: `persist` and `sign` hold back the whole
// queue; what the guard signed goes back to the engine before any other input; after a start the log's inputs are fed again with
// their effects left undone, and then the engine says what to do; after a failed port nothing is done any more, because
// what is on the disk is not known.

import { unreachable } from '../../base/assert.ts';
import { StoreError } from '../../base/errors.ts';
import { DECISION_INTERVAL_MS, HOST_INPUTS_WAITING_MAX, PHASE_MAX_MS } from '../../base/limits.ts';
import { isSingle } from '../../consensus/message-kinds.ts';
import type { Verdict } from '../../consensus/verify.ts';
import type {
  BlockId,
  CommitCertificate,
  Effect,
  HeightStart,
  Input,
  Message,
  Proposal,
  UnsignedMessage,
  ValidatorIndex,
  Vote,
} from '../../consensus/types.ts';
import { BlockDesk } from './block-desk.ts';
import type { ApplicationPort, Decision, HostEvents, TimersPort, TransportPort } from './host-ports.ts';
import { InputQueue } from './input-queue.ts';
import type { SignerPort, WalPort } from './ports.ts';

/** The engine as the host drives it: `engine.ts` with its configuration, or another that a test puts in its place. */
export interface HostEngine<State> {
  readonly initial: State;
  step(state: State, input: Input): { readonly state: State; readonly effects: readonly Effect[] };
  /** What to do after the log was fed again. */
  resume(state: State): readonly Effect[];
  /** What to make of a message from the network: cheapest test first. */
  judge(state: State, message: Message): Verdict;
}

export interface HostPorts {
  readonly wal: WalPort;
  readonly signer: SignerPort;
  readonly transport: TransportPort;
  readonly timers: TimersPort;
  readonly application: ApplicationPort;
  readonly events: HostEvents;
  readonly blockId: (block: Uint8Array) => BlockId;
}

/** The last message that the key signed before this start, as its guard knows it. */
export interface LastSigned {
  readonly height: number;
  /** Whether it is one of these, which the log made the engine ask for. */
  isAmong(asked: readonly UnsignedMessage[]): boolean;
}

const NOTHING: readonly Effect[] = [];

export class ValidatorHost<State> {
  readonly #engine: HostEngine<State>;
  readonly #ports: HostPorts;
  readonly #blocks: BlockDesk;
  #state: State;
  #start: HeightStart | undefined;
  /** Effects under way, and the next of them. */
  #effects: readonly Effect[] = NOTHING;
  #nextEffect = 0;
  /** What comes before the queue: signed messages, and the start of the next height. */
  #urgent: Input[] = [];
  readonly #queue = new InputQueue();
  readonly #timers = new Set<() => void>();
  /** Validators that are behind, with the height whose decision each gets next. */
  readonly #helped = new Map<ValidatorIndex, number>();
  #isWaiting = true;
  #isRunning = false;
  #isStopped = false;
  /** Nothing is signed up to this height. */
  #silentUpTo = -1;

  constructor(engine: HostEngine<State>, ports: HostPorts) {
    this.#engine = engine;
    this.#ports = ports;
    this.#state = engine.initial;
    this.#blocks = new BlockDesk({
      application: ports.application,
      timers: ports.timers,
      blockId: ports.blockId,
      verdict: (height, blockId, isValid) => this.#enqueue({ kind: 'verdict', height, blockId, isValid }),
    });
  }

  get state(): State {
    return this.#state;
  }

  /** The height it works on, or undefined before it was started. */
  get height(): number | undefined {
    return this.#start?.height;
  }

  // ---- Life ----------------------------------------------------------------------------------------------------

  /**
   * Begins. `logged`: what the write-ahead log holds; `next`: the height after the application's last decision. A log of that height
   * is replayed, one of a height before has served its time. A log that does not know of `last` has lost what this validator was
   * bound to: it signs nothing more up to that height. Throws DAMAGED when the log is ahead of the application.
   */
  start(logged: readonly Input[], next: HeightStart, last?: LastSigned): void {
    const first = logged[0];
    const loggedHeight = first?.kind === 'start-height' ? first.start.height : -1;
    if (loggedHeight > next.height) {
      throw new StoreError(
        'DAMAGED',
        `the log is at height ${loggedHeight}, the application at ${next.height}`,
        {
          next: 'Restore the application from a copy, or let it catch up, before this key signs again.',
        },
      );
    }
    const isReplayed = loggedHeight === next.height;
    const asked = isReplayed ? this.#feed(logged) : [];
    if (last !== undefined && last.height >= next.height && !last.isAmong(asked)) {
      this.#silentUpTo = last.height;
    }
    if (isReplayed) this.#goOnWith(logged, next);
    else this.#enterHeight(next);
  }

  /** A message from another validator, and the block that came beside it. */
  receive(message: Message, block?: Uint8Array): void {
    if (this.#isStopped || this.#start === undefined) return;
    const isOwn = this.#isOwn(message);
    // Messages come again (L4): where none is taken, none is worth a look, unless the guard must hear of it.
    if (this.#queue.length >= HOST_INPUTS_WAITING_MAX && !isOwn) return;
    const { verdict } = this.#engine.judge(this.#state, message);
    if (block !== undefined && verdict !== 'reject') this.#takeBlock(message, block, verdict === 'accept');
    if (verdict !== 'accept') return;
    if (isOwn) this.#ports.signer.observe(message);
    if (this.#queue.length < HOST_INPUTS_WAITING_MAX) this.#enqueue({ kind: 'message', message });
  }

  /** Under this validator's own key. At the height after a border of epochs its number may be another's. */
  #isOwn(message: Message): message is Proposal | Vote {
    const { height, self } = this.#start!;
    return isSingle(message) && message.height === height && message.validator === self;
  }

  /** Does nothing from now on. Log and signer are closed by whoever opened them. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimers();
    this.#blocks.stop();
  }

  #fail(error: StoreError): void {
    if (this.#isStopped) return;
    this.stop();
    this.#ports.events.failed(error);
  }

  // ---- Heights -------------------------------------------------------------------------------------------------

  /** Leaves the effects undone. Gives what was to be signed. */
  #feed(logged: readonly Input[]): readonly UnsignedMessage[] {
    const asked: UnsignedMessage[] = [];
    for (const input of logged) {
      const { state, effects } = this.#engine.step(this.#state, input);
      this.#state = state;
      for (const effect of effects) if (effect.kind === 'sign') asked.push(effect.message);
    }
    return asked;
  }

  #goOnWith(logged: readonly Input[], next: HeightStart): void {
    this.#start = next;
    this.#blocks.startHeight(next.height);
    this.#recall(next.height, blocksNamed(logged), () => {
      this.#effects = this.#engine.resume(this.#state);
      this.#nextEffect = 0;
      this.#goOn();
    });
  }

  /** Takes the blocks that were at hand before the restart out of the application's store. */
  #recall(height: number, blockIds: readonly BlockId[], done: () => void): void {
    let missing = blockIds.length;
    if (missing === 0) {
      done();
      return;
    }
    for (const blockId of blockIds) {
      this.#ports.application.fetch(height, blockId, [], (block) => {
        if (this.#isStopped) return;
        if (block !== undefined) this.#blocks.offer(height, blockId, block);
        if (--missing === 0) done();
      });
    }
  }

  /** The log of a height holds its start before the engine hears of it. */
  #enterHeight(start: HeightStart): void {
    this.#isWaiting = true;
    this.#ports.wal.startHeight(start, (error) => {
      if (this.#isStopped) return;
      if (error !== undefined) {
        this.#fail(error);
        return;
      }
      this.#start = start;
      this.#blocks.startHeight(start.height);
      this.#urgent.push({ kind: 'start-height', start });
      this.#goOn();
    });
  }

  #decide(height: number, blockId: BlockId, certificate: CommitCertificate): void {
    // It was judged and so it is at hand, or in the application's store; if not even there, the signers have it.
    const holders = certificate.signatures.map(({ validator }) => validator);
    this.#blocks.obtain(height, blockId, holders, (block) => {
      this.#ports.application.decided(height, { certificate, block }, (next) => {
        if (this.#isStopped) return;
        this.#whenIdle(() => this.#enterHeight(next));
      });
    });
  }

  // ---- The loop ------------------------------------------------------------------------------------------------

  #enqueue(input: Input): void {
    if (this.#isStopped) return;
    this.#queue.push(input);
    this.#run();
  }

  #goOn(): void {
    this.#isWaiting = false;
    this.#run();
  }

  #run(): void {
    if (this.#isRunning) return; // whoever runs sees what was added
    this.#isRunning = true;
    while (!this.#isWaiting && !this.#isStopped) {
      if (this.#nextEffect < this.#effects.length) {
        this.#perform(this.#effects[this.#nextEffect++]!);
        continue;
      }
      const between = this.#betweenInputs;
      if (between !== undefined) {
        this.#betweenInputs = undefined;
        between();
        continue;
      }
      const input = this.#urgent.length > 0 ? this.#urgent.shift() : this.#queue.shift();
      if (input === undefined) break;
      const { state, effects } = this.#engine.step(this.#state, input);
      this.#state = state;
      this.#effects = effects;
      this.#nextEffect = 0;
    }
    this.#isRunning = false;
  }

  #betweenInputs: (() => void) | undefined;

  /** Runs `task` when no effect is under way: the log changes hands only between two inputs. */
  #whenIdle(task: () => void): void {
    this.#betweenInputs = task;
    this.#run();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'append':
        // The log of a height was begun with its start.
        if (effect.input.kind !== 'start-height' && !this.#isSilent) this.#ports.wal.append(effect.input);
        return;
      case 'persist':
        if (!this.#isSilent) this.#persist();
        return;
      case 'sign':
        this.#sign(effect.message);
        return;
      case 'broadcast':
        this.#ports.transport.broadcast(effect.message, this.#blockOf(effect.message));
        return;
      case 'send-decision':
        this.#help(effect.to, effect.height);
        return;
      case 'schedule-timeout': {
        const { timeout, height, round } = effect;
        this.#arm(effect.durationMs, () => this.#enqueue({ kind: 'timeout', timeout, height, round }));
        return;
      }
      case 'cancel-timeouts':
        this.#cancelTimers();
        return;
      case 'request-value':
        this.#requestValue(effect.height, effect.round);
        return;
      case 'validate':
        this.#blocks.judge(effect.height, effect.blockId, effect.holders);
        return;
      case 'evidence':
        this.#ports.events.evidence(effect.evidence);
        return;
      case 'foreign-signature':
        // Without its log the engine does not know its own words; the guard, which hears them too, knows where they ended.
        if (this.#isSilent) return;
        this.#silentUpTo = Number.POSITIVE_INFINITY;
        this.#ports.events.foreignSignature(effect.message);
        return;
      case 'decide':
        this.#decide(effect.height, effect.blockId, effect.certificate);
        return;
      case 'halt':
        this.#fail(commitOfInvalid(effect));
        return;
      default:
        unreachable(effect);
    }
  }

  // ---- Effects -------------------------------------------------------------------------------------------------

  /**
   * Who signs nothing needs no log. And must not write one: it would ask for signatures that were never given, among them perhaps the
   * last one before, and the next start would take it for the log that was lost.
   */
  get #isSilent(): boolean {
    return this.#start !== undefined && this.#start.height <= this.#silentUpTo;
  }

  #persist(): void {
    this.#isWaiting = true;
    this.#ports.wal.sync((error) => {
      if (this.#isStopped) return;
      if (error === undefined) this.#goOn();
      else this.#fail(error);
    });
  }

  /**
   * The guard knows only the last place that it signed. So what it signed before is in the log before it moves on: else a crash
   * would leave a vote that is to be signed again, and a guard that is past it.
   */
  #sign(message: UnsignedMessage): void {
    if (message.height <= this.#silentUpTo) return;
    if (this.#urgent.length === 0) {
      this.#signNow(message);
      return;
    }
    for (const input of this.#urgent) this.#ports.wal.append(input);
    this.#isWaiting = true;
    this.#ports.wal.sync((error) => {
      if (this.#isStopped) return;
      if (error === undefined) this.#signNow(message);
      else this.#fail(error);
    });
  }

  #signNow(message: UnsignedMessage): void {
    this.#isWaiting = true;
    this.#ports.signer.sign(message, (result) => {
      if (this.#isStopped) return;
      if (!(result instanceof StoreError)) this.#urgent.push({ kind: 'signed', message: result });
      else if (!this.#fallSilent(message, result)) return;
      this.#goOn();
    });
  }

  /**
   * The guard refused. What this validator was bound to at this height is then not known here, so it says nothing more before the
   * next; with a second copy of the key about, never again. False when the failure is final.
   */
  #fallSilent(message: UnsignedMessage, error: StoreError): boolean {
    if (error.code !== 'ALREADY_EXISTS' && error.code !== 'LOCKED') {
      this.#fail(error);
      return false;
    }
    this.#silentUpTo = error.code === 'LOCKED' ? Number.POSITIVE_INFINITY : message.height;
    this.#ports.events.refused(message, error);
    return true;
  }

  #requestValue(height: number, round: number): void {
    this.#ports.application.requestValue(height, round, (block) => {
      if (this.#isStopped || this.#start?.height !== height) return;
      const blockId = this.#ports.blockId(block);
      this.#blocks.keep(height, blockId, block);
      this.#enqueue({ kind: 'value', height, round, blockId });
    });
  }

  /**
   * L7: a validator at a height that is over gets that decision at once and then one every interval, until it has caught up: without
   * waiting for each, it would wait out a round at every height.
   */
  #help(to: ValidatorIndex, height: number): void {
    const isBeingHelped = this.#helped.has(to);
    this.#helped.set(to, height);
    if (!isBeingHelped) this.#sendDecision(to);
  }

  #sendDecision(to: ValidatorIndex): void {
    const height = this.#helped.get(to)!;
    this.#helped.set(to, height + 1);
    this.#ports.application.decision(height, (decision: Decision | undefined) => {
      if (this.#isStopped) return;
      if (decision === undefined) {
        this.#helped.delete(to);
        return;
      }
      this.#ports.transport.send(to, decision.certificate, decision.block);
      this.#ports.timers.schedule(DECISION_INTERVAL_MS, () => {
        if (!this.#isStopped) this.#sendDecision(to);
      });
    });
  }

  /** Proposals travel with their block. */
  #blockOf(message: Message): Uint8Array | undefined {
    return message.kind === 'proposal' ? this.#blocks.get(message.blockId) : undefined;
  }

  /** A block beside a message that names it spares the fetch; beside one whose signer is not known, only if it is wanted. */
  #takeBlock(message: Message, block: Uint8Array, isVerified: boolean): void {
    if (message.kind !== 'proposal' && message.kind !== 'commit-certificate') return;
    const height = this.#start!.height;
    if (message.height !== height && message.height !== height + 1) return;
    if (isVerified || this.#blocks.isWanted(message.blockId)) {
      this.#blocks.offer(message.height, message.blockId, block);
    }
  }

  /** A time-out of the engine. */
  #arm(delayMs: number, run: () => void): void {
    const cancel = this.#ports.timers.schedule(Math.min(delayMs, PHASE_MAX_MS), () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }

  #cancelTimers(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }
}

function commitOfInvalid({ height, blockId }: Extract<Effect, { kind: 'halt' }>): StoreError {
  return new StoreError(
    'INTERNAL',
    `a quorum decided block ${blockId} at height ${height}, which is invalid here`,
    {
      next:
        'Either more than a third of the voting power is faulty, or this application differs from the others. ' +
        'Compare its version and its state with theirs before this validator starts again.',
    },
  );
}

function blocksNamed(logged: readonly Input[]): readonly BlockId[] {
  const named = new Set<BlockId>();
  for (const input of logged) {
    if (input.kind === 'value' || (input.kind === 'verdict' && input.isValid)) named.add(input.blockId);
  }
  return [...named];
}
