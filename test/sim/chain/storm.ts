// What goes wrong in a run, drawn as it goes on: one fault after the other, of the kinds that this seed has, until the storm ends. Any number
// of machines may be down, paused or cut off at a time; everything comes back.

import type { NetworkConditions } from '../network.ts';
import { QUICK_DISK } from '../disk.ts';
import type { SeededRandom } from '../random.ts';
import type { CrashPlan, World } from './machine.ts';
import type { SimNode } from './node.ts';
import type { Wire } from './wire.ts';

const KINDS = [
  'partition',
  'weather',
  'crash',
  'crash between effects',
  'stop',
  'blackout',
  'failed sync',
  'full disk',
  'slow disk',
  'pause',
  'clock jump',
  'lost disks',
] as const;
type Kind = (typeof KINDS)[number];

/** Wall clocks are at most so far off, but for one node whose clock may say anything: less than a third of the power. */
const CLOCK_OFF_MAX_MS = 500;
const WILD_CLOCK_MS = 3_600_000;

export class Storm {
  readonly #world: World;
  readonly #wire: Wire;
  readonly #nodes: readonly SimNode[];
  /** Places of the network, that of the clients among them. */
  readonly #places: number;
  readonly #random: SeededRandom;
  readonly #kinds: readonly Kind[];
  readonly #meanGapMs: number;
  readonly #wild: SimNode;
  #isOver = false;

  constructor(world: World, wire: Wire, nodes: readonly SimNode[], places: number) {
    this.#world = world;
    this.#wire = wire;
    this.#nodes = nodes;
    this.#places = places;
    this.#random = world.random.fork('storm');
    // Not every kind in every run: what hides behind a common fault shows when that one is absent.
    this.#kinds = KINDS.filter(() => this.#random.chance(0.5));
    this.#meanGapMs = this.#random.pick([300, 700, 1_400]);
    this.#wild = this.#random.pick(nodes);
  }

  start(): void {
    const weather = weatherOf(this.#random);
    this.#wire.network.conditions = weather;
    this.#world.tell(() => `weather ${JSON.stringify(weather)}; faults: ${this.#kinds.join(', ')}`);
    if (this.#kinds.length > 0) this.#next();
  }

  /** Nothing breaks any more, and what is broken is mended; machines that are down stay so. */
  end(): void {
    this.#isOver = true;
    this.#wire.network.heal();
    for (const { machine } of this.#nodes) machine.heal();
  }

  #next(): void {
    const gapMs = -Math.log(1 - this.#random.unit()) * this.#meanGapMs;
    this.#later(gapMs, () => {
      if (this.#isOver) return;
      this.#strike(this.#random.pick(this.#kinds));
      this.#next();
    });
  }

  #later(delayMs: number, run: () => void): void {
    this.#world.scheduler.after(delayMs, { run });
  }

  #strike(kind: Kind): void {
    const random = this.#random;
    const node = random.pick(this.#nodes);
    const { machine } = node;
    const durationMs = random.between(10, random.chance(0.2) ? 4_000 : 1_500);
    const plan: CrashPlan = {
      isPowerCut: random.chance(0.5),
      downMs: random.between(0, random.chance(0.2) ? 3_000 : 1_000),
    };
    this.#world.tally.add(kind === 'crash' ? (plan.isPowerCut ? 'power cut' : 'kill') : kind);
    this.#world.tell(() => `fault: ${kind}, machine ${node.index}, ${durationMs} ms`);
    switch (kind) {
      case 'partition':
        this.#cut(durationMs);
        return;
      case 'weather': {
        const before = this.#wire.network.conditions;
        const weather = weatherOf(random);
        this.#wire.network.conditions = weather;
        this.#later(durationMs, () => {
          if (this.#wire.network.conditions === weather) this.#wire.network.conditions = before;
        });
        return;
      }
      case 'crash':
        machine.crash(plan);
        return;
      case 'crash between effects':
        machine.crashAfter(random.below(200), plan);
        return;
      case 'stop':
        this.#world.isStirred = true;
        void node.stop(plan.downMs!);
        return;
      case 'blackout':
        for (const each of this.#nodes) each.machine.crash({ ...plan, isPowerCut: true });
        return;
      case 'failed sync':
        machine.failingSyncs++;
        return;
      case 'full disk':
        machine.isFull = true;
        this.#later(durationMs, () => {
          machine.isFull = false;
        });
        return;
      case 'slow disk':
        machine.conditions = { syncMinMs: 5, syncMaxMs: random.between(10, 600) };
        this.#later(durationMs, () => {
          machine.conditions = QUICK_DISK;
        });
        return;
      case 'lost disks':
        node.loseDisks(plan.downMs!);
        return;
      case 'pause':
        machine.pause();
        this.#later(durationMs, () => machine.wake());
        return;
      case 'clock jump':
        machine.setClock(
          random.between(-1, 1) * random.below(this.#wild === node ? WILD_CLOCK_MS : CLOCK_OFF_MAX_MS),
        );
    }
  }

  /** One or two ways, any part of the nodes from the others; clients are on one of the sides. */
  #cut(durationMs: number): void {
    const places = Array.from({ length: this.#places }, (_, place) => place);
    const side = new Set(this.#random.sample(places, this.#random.between(1, this.#places - 1)));
    const direction = this.#random.pick(['both', 'both', 'from', 'to'] as const);
    const pairs: [number, number][] = [];
    for (const inside of side) {
      for (const outside of places.filter((place) => !side.has(place))) {
        if (direction !== 'to') pairs.push([inside, outside]);
        if (direction !== 'from') pairs.push([outside, inside]);
      }
    }
    if (direction !== 'both') this.#world.tally.add('one-way partition');
    for (const [from, to] of pairs) this.#wire.network.cut(from, to);
    this.#later(durationMs, () => {
      for (const [from, to] of pairs) this.#wire.network.mend(from, to);
    });
  }
}

function weatherOf(random: SeededRandom): NetworkConditions {
  const delayMinMs = random.pick([0.1, 1, 5]);
  const isRough = random.chance(0.4);
  return {
    delayMinMs,
    delayMaxMs: delayMinMs + random.pick([1, 10, 40, 100]),
    slowShare: isRough ? 0.2 * random.unit() : 0,
    slowMs: random.pick([50, 500, 3000]),
    lossShare: isRough ? 0.3 * random.unit() : 0,
    duplicateShare: isRough ? 0.5 * random.unit() : 0,
  };
}
