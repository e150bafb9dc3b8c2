// The simulated world: machines with clocks and disks, a process on each, and the network between them. It knows neither engine
// nor host: what a process does is the business of its participant, made anew by a factory for every life of the process.
//
// An adversary is a factory. It gets a `Place` like everybody: its key, its clock, its disk, a way to send. What the honest do
// is `honest.ts`; `wrapped.ts` changes what an honest one sends or hears.

import type { NodeId, NetworkId } from '../../src/base/ids.ts';
import type { Signer, Verify } from '../../src/base/ports.ts';
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts';
import type { BlockId, HeightStart, Message, ValidatorIndex } from '../../src/consensus/types.ts';
import { SimDisk } from './disk.ts';
import { SimNetwork } from './network.ts';
import type { Observer } from './observer.ts';
import type { SeededRandom } from './random.ts';
import { MachineClock, Scheduler, type Task } from './scheduler.ts';
import type { StoreError } from '../../src/base/errors.ts';
import { Tally } from './tally.ts';
import { Trace } from './trace.ts';

/** What stands at a place of the network for one life of its process. */
export interface Participant {
  receive(from: number, message: Message, block: Uint8Array | undefined): void;
  /** A block that it gives to whoever asks. */
  held(height: number, blockId: BlockId): Uint8Array | undefined;
  /** The process is gone: nothing may be done any more. */
  stop(): void;
}

/** Begins a life; the machine's disk holds what the lives before left. Throws when it cannot begin. */
export type ParticipantFactory = (place: Place) => Participant;

/** What a participant has of the world. Nothing of it works any more when its life is over. */
export interface Place {
  readonly process: number;
  /** Whose voice it has; twins share one. */
  readonly validator: ValidatorIndex | undefined;
  readonly signer: Signer;
  readonly chain: Chain;
  readonly disk: SimDisk;
  readonly clock: MachineClock;
  readonly random: SeededRandom;
  /** What happens to it is told here. */
  readonly observer: Observer;
  readonly tally: Tally;
  /** True until this life is over. */
  readonly isAlive: () => boolean;
  /** Every call of a port begins with this: a crash may come between any two. False when it came. */
  readonly goesOn: () => boolean;
  readonly timer: (delayMs: number, run: () => void) => () => void;
  readonly broadcast: (message: Message, block?: Uint8Array) => void;
  /** To every process with the validator's voice but itself. */
  readonly send: (to: ValidatorIndex, message: Message, block?: Uint8Array) => void;
  readonly sendToProcess: (to: number, message: Message, block?: Uint8Array) => void;
  readonly ask: (
    holder: ValidatorIndex,
    height: number,
    blockId: BlockId,
    done: (block: Uint8Array | undefined) => void,
  ) => void;
  /** The process exits by itself; its supervisor starts it again. */
  readonly exit: (error: StoreError) => void;
}

/** What all agree on before they start. */
export interface Chain {
  readonly network: NetworkId;
  readonly verify: Verify;
  readonly start: (height: number) => Omit<HeightStart, 'self'>;
}

export interface ProcessPlan {
  readonly validator: ValidatorIndex | undefined;
  readonly signer: Signer;
  readonly factory: ParticipantFactory;
  readonly clockSkewMs: number;
  readonly clockRate: number;
}

export interface WorldPlan {
  readonly processes: readonly ProcessPlan[];
  readonly chain: Chain;
  readonly random: SeededRandom;
  readonly observer: Observer;
  /** Every frame goes through its wire form. */
  readonly isWire: boolean;
  /** How soon a process that exited by itself is started again. */
  readonly restartMs: number;
}

type Frame =
  | { readonly kind: 'message'; readonly message: Message; readonly block: Uint8Array | undefined }
  | { readonly kind: 'ask'; readonly ticket: number; readonly height: number; readonly blockId: BlockId }
  | { readonly kind: 'answer'; readonly ticket: number; readonly block: Uint8Array | undefined };

interface Machine {
  readonly process: number;
  readonly plan: ProcessPlan;
  readonly disk: SimDisk;
  readonly clock: MachineClock;
  readonly asked: Map<number, (block: Uint8Array | undefined) => void>;
  participant: Participant | undefined;
  life: number;
  isPaused: boolean;
  /** What happened while it was paused. */
  deferred: (() => void)[];
  /** Calls of ports until it crashes; -1 for never. */
  callsLeft: number;
  crashPlan: CrashPlan | undefined;
}

export interface CrashPlan {
  readonly isPowerCut: boolean;
  /** Until it is started again; undefined: by nobody but `startAll`. */
  readonly downMs: number | undefined;
}

const ASK_TIMEOUT_MS = 500;

export class World {
  readonly scheduler: Scheduler = new Scheduler();
  readonly tally: Tally = new Tally();
  readonly trace: Trace = new Trace();
  readonly network: SimNetwork<Frame>;
  readonly #plan: WorldPlan;
  readonly #machines: readonly Machine[];
  /** Processes that have a validator's voice. */
  readonly #voices = new Map<ValidatorIndex, number[]>();
  #tickets = 0;

  constructor(plan: WorldPlan) {
    this.#plan = plan;
    const { processes, random } = plan;
    this.network = new SimNetwork<Frame>(
      this.scheduler,
      random.fork('network'),
      this.tally,
      processes.length,
      (from, to, frame) => this.#arrive(from, to, frame),
    );
    this.#machines = processes.map((process, index) => this.#machine(process, index));
    for (const [index, { validator }] of processes.entries()) {
      if (validator === undefined) continue;
      const voices = this.#voices.get(validator);
      if (voices === undefined) this.#voices.set(validator, [index]);
      else voices.push(index);
    }
  }

  get size(): number {
    return this.#machines.length;
  }

  isUp(process: number): boolean {
    return this.#machines[process]!.participant !== undefined;
  }

  participant(process: number): Participant | undefined {
    return this.#machines[process]!.participant;
  }

  disk(process: number): SimDisk {
    return this.#machines[process]!.disk;
  }

  clock(process: number): MachineClock {
    return this.#machines[process]!.clock;
  }

  // ---- Lives -----------------------------------------------------------------------------------------------------

  startAll(): void {
    for (const { process } of this.#machines) this.start(process);
  }

  start(process: number): void {
    const machine = this.#machines[process]!;
    if (machine.participant !== undefined) return;
    machine.life++;
    machine.isPaused = false;
    machine.deferred = [];
    this.trace.addTime(this.scheduler.now);
    this.trace.add(0x57a47 + process);
    this.#plan.observer.started(process);
    const { life } = machine;
    const participant = machine.plan.factory(this.#place(machine));
    // It may have crashed within its first steps.
    if (machine.life === life) machine.participant = participant;
    else participant.stop();
  }

  crash(process: number, plan: CrashPlan): void {
    const machine = this.#machines[process]!;
    const { isPowerCut, downMs } = plan;
    machine.life++;
    machine.callsLeft = -1;
    machine.isPaused = false;
    machine.deferred = [];
    machine.asked.clear();
    machine.participant?.stop();
    machine.participant = undefined;
    machine.disk.crash(isPowerCut);
    this.trace.addTime(this.scheduler.now);
    this.trace.add(0xdead + process);
    this.#plan.observer.crashed(process, isPowerCut);
    if (downMs !== undefined) this.#startLater(machine, downMs);
  }

  /** Crashes the process in the middle of what it does: `calls` calls of ports from now. */
  crashAfter(process: number, calls: number, plan: CrashPlan): void {
    const machine = this.#machines[process]!;
    if (machine.participant === undefined) return;
    machine.callsLeft = calls;
    machine.crashPlan = plan;
  }

  /** Forgets a crash that has not come yet. */
  disarm(process: number): void {
    this.#machines[process]!.callsLeft = -1;
  }

  /** Stops the process without its noticing: messages wait, timers are late. */
  pause(process: number): void {
    this.#machines[process]!.isPaused = true;
  }

  wake(process: number): void {
    const machine = this.#machines[process]!;
    machine.isPaused = false;
    const deferred = machine.deferred;
    machine.deferred = [];
    for (const run of deferred) run();
  }

  #startLater(machine: Machine, downMs: number): void {
    const { life } = machine;
    this.scheduler.after(downMs, {
      run: () => {
        if (machine.life === life) this.start(machine.process);
      },
    });
  }

  // ---- Places ----------------------------------------------------------------------------------------------------

  #machine(plan: ProcessPlan, process: number): Machine {
    const tell = (answer: Task): void => {
      if (machine.isPaused) machine.deferred.push(() => answer.run());
      else answer.run();
    };
    const machine: Machine = {
      process,
      plan,
      disk: new SimDisk(this.scheduler, this.#plan.random.fork(`disk ${process}`), this.tally, tell),
      clock: new MachineClock(this.scheduler, plan.clockSkewMs, plan.clockRate),
      asked: new Map(),
      participant: undefined,
      life: 0,
      isPaused: false,
      deferred: [],
      callsLeft: -1,
      crashPlan: undefined,
    };
    return machine;
  }

  #place(machine: Machine): Place {
    const { process, plan, disk, clock, life } = machine;
    const isAlive = (): boolean => machine.life === life;
    return {
      process,
      validator: plan.validator,
      signer: plan.signer,
      chain: this.#plan.chain,
      disk,
      clock,
      random: this.#plan.random.fork(`process ${process} life ${life}`),
      observer: this.#plan.observer,
      tally: this.tally,
      isAlive,
      goesOn: () => isAlive() && !this.#crashesNow(machine),
      timer: (delayMs, run) => clock.timer(delayMs, () => this.#runLater(machine, life, run)),
      broadcast: (message, block) => {
        if (isAlive()) this.#broadcast(process, message, block);
      },
      send: (to, message, block) => {
        if (!isAlive()) return;
        for (const other of this.#voices.get(to) ?? []) this.#send(process, other, message, block);
      },
      sendToProcess: (to, message, block) => {
        if (isAlive()) this.#send(process, to, message, block);
      },
      ask: (holder, height, blockId, done) => {
        if (isAlive()) this.#ask(machine, holder, height, blockId, done);
      },
      exit: (error) => {
        if (!isAlive()) return;
        this.#plan.observer.exited(process, error);
        this.crash(process, { isPowerCut: false, downMs: this.#plan.restartMs });
      },
    };
  }

  #crashesNow(machine: Machine): boolean {
    if (machine.callsLeft < 0 || machine.callsLeft-- > 0) return false;
    this.tally.add('crash between effects');
    this.crash(machine.process, machine.crashPlan!);
    return true;
  }

  #runLater(machine: Machine, life: number, run: () => void): void {
    if (machine.life !== life) return;
    if (machine.isPaused) machine.deferred.push(() => this.#runLater(machine, life, run));
    else run();
  }

  // ---- Frames ----------------------------------------------------------------------------------------------------

  #broadcast(from: number, message: Message, block: Uint8Array | undefined): void {
    this.#plan.observer.sent(from, message);
    const frame: Frame = { kind: 'message', message, block };
    for (let to = 0; to < this.size; to++) if (to !== from) this.network.send(from, to, frame);
  }

  #send(from: number, to: number, message: Message, block: Uint8Array | undefined): void {
    if (from === to) return;
    this.#plan.observer.sent(from, message);
    this.network.send(from, to, { kind: 'message', message, block });
  }

  #ask(
    machine: Machine,
    holder: ValidatorIndex,
    height: number,
    blockId: BlockId,
    done: (block: Uint8Array | undefined) => void,
  ): void {
    const others = (this.#voices.get(holder) ?? []).filter((other) => other !== machine.process);
    const ticket = this.#tickets++;
    machine.asked.set(ticket, done);
    for (const to of others) {
      this.network.send(machine.process, to, { kind: 'ask', ticket, height, blockId });
    }
    const { life } = machine;
    const giveUp = (): void => this.#answer(machine, ticket, undefined);
    machine.clock.timer(ASK_TIMEOUT_MS, () => this.#runLater(machine, life, giveUp));
  }

  #answer(machine: Machine, ticket: number, block: Uint8Array | undefined): void {
    const done = machine.asked.get(ticket);
    machine.asked.delete(ticket);
    done?.(block);
  }

  #arrive(from: number, to: number, frame: Frame): void {
    const machine = this.#machines[to]!;
    const { participant } = machine;
    if (participant === undefined) return;
    if (machine.isPaused) {
      machine.deferred.push(() => this.#arrive(from, to, frame));
      return;
    }
    this.trace.addTime(this.scheduler.now);
    this.trace.add((from << 8) | to);
    switch (frame.kind) {
      case 'message': {
        const { message, block } = frame;
        this.trace.addMessage(message);
        const received = this.#plan.isWire ? decodeMessage(encodeMessage(message)) : message;
        participant.receive(from, received, block);
        return;
      }
      case 'ask': {
        const block = participant.held(frame.height, frame.blockId);
        this.network.send(to, from, { kind: 'answer', ticket: frame.ticket, block });
        return;
      }
      case 'answer':
        this.#answer(machine, frame.ticket, frame.block);
        return;
    }
  }
}

/** The node id of a signer. */
export const nodeOf = (signer: Signer): NodeId => signer.publicKey as NodeId;
