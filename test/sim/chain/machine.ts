// A simulated machine: its clock and disks outlive the process on it. Whatever happens to a process comes in through its life, and
// whatever it does goes out through it; when the life is over nothing of it has any effect, and what it waits for never comes.

import type { Clock } from '../../../src/base/ports.ts';
import { SimulatedDisk } from '../../runtime/simulated-disk.ts';
import type { DiskConditions } from '../disk.ts';
import { QUICK_DISK } from '../disk.ts';
import type { SeededRandom } from '../random.ts';
import { MachineClock, type Scheduler } from '../scheduler.ts';
import type { Tally } from '../tally.ts';
import type { Trace } from '../trace.ts';
import { Database } from './database.ts';

/** What all machines of a world share. */
export interface World {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly tally: Tally;
  readonly trace: Trace;
  /** For the story of a run. */
  readonly tell: (text: () => string) => void;
  /** A process did something: promises wait for their turn. */
  isStirred: boolean;
  readonly hasLyingDisks: boolean;
}

export interface MachinePlan {
  readonly index: number;
  /** What a right wall clock says when the world begins. */
  readonly startMs: number;
  /** Of its clock. */
  readonly skewMs: number;
  readonly rate: number;
}

export interface CrashPlan {
  readonly isPowerCut: boolean;
  /** Until it starts again; undefined: somebody else sees to that. */
  readonly downMs: number | undefined;
}

/** One run of a process. */
export class Life {
  isOver = false;
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Something happens to the process: now, after its pause, or never. */
  enter(run: () => void): void {
    if (this.isOver) return;
    if (this.#machine.isPaused) this.#machine.deferred.push(() => this.enter(run));
    else {
      this.#machine.world.isStirred = true;
      run();
    }
  }

  /** Every effect begins with this: a crash may come between any two. False when the process is gone. */
  goesOn(): boolean {
    if (!this.isOver) this.#machine.countDown();
    return !this.isOver;
  }

  /** As long as a sync takes, told to the process. */
  async disk(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#machine.world.scheduler.after(this.#machine.syncMs(), { run: () => this.enter(resolve) });
    await promise;
  }
}

export class Machine {
  readonly index: number;
  readonly world: World;
  readonly clock: MachineClock;
  readonly database: Database;
  files: SimulatedDisk = new SimulatedDisk();
  conditions: DiskConditions = QUICK_DISK;
  isFull = false;
  failingSyncs = 0;
  life: Life | undefined;
  isPaused = false;
  deferred: (() => void)[] = [];
  readonly #random: SeededRandom;
  readonly #startMs: number;
  readonly #start: (life: Life) => void;
  readonly #ended: () => void;
  #effectsLeft = -1;
  #plan: CrashPlan = { isPowerCut: false, downMs: 0 };
  /** Counts lives and downs, so that a start that was planned for another down does nothing. */
  #downs = 0;

  constructor(world: World, plan: MachinePlan, start: (life: Life) => void, ended: () => void) {
    this.world = world;
    this.index = plan.index;
    this.clock = new MachineClock(world.scheduler, plan.startMs + plan.skewMs, plan.rate);
    this.#startMs = plan.startMs;
    this.#random = world.random.fork(`machine ${plan.index}`);
    this.database = new Database(this, this.#random.fork('database'));
    this.#start = start;
    this.#ended = ended;
    this.#watchFiles();
  }

  get isUp(): boolean {
    return this.life !== undefined;
  }

  /** The clock as the life sees it: nothing rings when it is over. */
  clockOf(life: Life): Clock {
    const { clock } = this;
    const timer = (delayMs: number, run: () => void): (() => void) =>
      clock.timer(delayMs, () => life.enter(run));
    return {
      now: () => Math.floor(clock.now()),
      monotonic: () => clock.monotonic(),
      timer,
      sleep: (delayMs, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted === true) {
            reject(signal.reason as Error);
            return;
          }
          const cancel = timer(delayMs, resolve);
          const onAbort = (): void => {
            cancel();
            reject(signal?.reason as Error);
          };
          signal?.addEventListener('abort', onAbort, { once: true });
        }),
    };
  }

  start(): void {
    if (this.life !== undefined) return;
    this.#downs++;
    this.isPaused = false;
    this.deferred = [];
    this.#mark(0x57a47);
    this.world.tell(() => `machine ${this.index} starts`);
    const life = new Life(this);
    this.life = life;
    this.world.isStirred = true;
    this.#start(life);
  }

  /** The process is gone from one moment to the next. */
  crash({ isPowerCut, downMs }: CrashPlan): void {
    if (this.life === undefined) return;
    this.world.tell(() => `machine ${this.index} is ${isPowerCut ? 'cut from power' : 'killed'}`);
    this.#over();
    this.database.crash(isPowerCut);
    this.files = this.files.restart(() => this.#random.unit(), isPowerCut);
    this.#watchFiles();
    if (downMs !== undefined) this.startLater(downMs);
  }

  /** It comes back with new disks. */
  loseDisks(downMs: number): void {
    this.world.tell(() => `machine ${this.index} gets new disks`);
    this.crash({ isPowerCut: true, downMs });
    this.database.wipe();
    this.files = new SimulatedDisk();
    this.#watchFiles();
  }

  /** The process has ended by itself, with everything closed. */
  exited(downMs: number | undefined): void {
    this.#over();
    this.database.crash(false);
    if (downMs !== undefined) this.startLater(downMs);
  }

  startLater(downMs: number): void {
    const downs = this.#downs;
    this.world.scheduler.after(downMs, {
      run: () => {
        if (this.#downs === downs) this.start();
      },
    });
  }

  /** In the middle of what it does: so many effects from now. */
  crashAfter(effects: number, plan: CrashPlan): void {
    this.#effectsLeft = effects;
    this.#plan = plan;
  }

  /** Part of `Life.goesOn`. */
  countDown(): void {
    if (this.#effectsLeft < 0 || this.#effectsLeft-- > 0) return;
    this.world.tally.add('crash between effects');
    this.crash(this.#plan);
  }

  /** Sets the wall clock so far off the world's time. */
  setClock(offMs: number): void {
    const { now } = this.world.scheduler;
    this.clock.jump(this.#startMs + now + offMs - this.clock.now());
  }

  pause(): void {
    this.isPaused = true;
  }

  wake(): void {
    this.isPaused = false;
    const { deferred } = this;
    this.deferred = [];
    for (const run of deferred) run();
  }

  heal(): void {
    this.#effectsLeft = -1;
    this.isFull = false;
    this.failingSyncs = 0;
    this.conditions = QUICK_DISK;
    this.setClock(0);
    this.wake();
  }

  syncMs(): number {
    const { syncMinMs, syncMaxMs } = this.conditions;
    return syncMinMs + this.#random.unit() * (syncMaxMs - syncMinMs);
  }

  /** Whether this sync is one of those that fail. */
  takesFailure(): boolean {
    if (this.failingSyncs === 0) return false;
    this.failingSyncs--;
    this.world.tally.add('sync failed');
    return true;
  }

  #over(): void {
    this.#downs++;
    this.#effectsLeft = -1;
    if (this.life !== undefined) this.life.isOver = true;
    this.life = undefined;
    this.isPaused = false;
    this.deferred = [];
    this.#mark(0xdead);
    this.#ended();
  }

  #mark(word: number): void {
    this.world.trace.addTime(this.world.scheduler.now);
    this.world.trace.add(word + this.index);
  }

  #watchFiles(): void {
    this.files.hook = ({ kind }) => {
      const isWrite = kind === 'write' || kind === 'create';
      if (isWrite && this.isFull) {
        this.world.tally.add('disk full');
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      }
      if (kind === 'sync' && this.takesFailure())
        throw Object.assign(new Error('sync failed'), { code: 'EIO' });
      return undefined;
    };
  }
}
