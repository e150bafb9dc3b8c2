// From a seed to everything that a run needs to know before it starts. Faults are drawn within what validators must survive: chance
// may stop any number of them at a time, cut any wires and tear any writes, but those that lie, or stay broken in the end,
// have less than a third of the power at every height.

import { digest } from '../../src/base/hash.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import { compare } from '../../src/base/bytes.ts';
import type {
  HeightStart,
  ProposerSchedule,
  TimeoutParams,
  ValidatorSet,
} from '../../src/consensus/types.ts';
import { isWeak, validatorSet } from '../../src/consensus/validator-set.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import type { ApplicationHabits } from './application.ts';
import type { Fault, FaultKind } from './faults.ts';
import { FAULT_KINDS } from './faults.ts';
import { type SimKeys, simKeys } from './keys.ts';
import type { NetworkConditions } from './network.ts';
import { SeededRandom } from './random.ts';
import type { Chain } from './world.ts';

export interface Scenario {
  readonly seed: number;
  /** Process i has the voice of validator i; processes beyond are followers without one. */
  readonly validatorCount: number;
  readonly processCount: number;
  readonly keys: SimKeys;
  readonly chain: Chain;
  readonly timeouts: TimeoutParams;
  readonly habits: readonly ApplicationHabits[];
  readonly clocks: readonly { readonly skewMs: number; readonly rate: number }[];
  readonly weather: NetworkConditions;
  readonly restartMs: number;
  readonly faults: readonly Fault[];
  /** When the faults end. */
  readonly stormMs: number;
  /** Nothing is expected of these: they make invalid blocks. */
  readonly faulty: ReadonlySet<number>;
  /** Down in the quiet phase. */
  readonly brokenAtEnd: ReadonlySet<number>;
  readonly isWire: boolean;
}

export interface ScenarioOptions {
  readonly hasRealSignatures?: boolean;
  /** Draws no other kinds of faults. */
  readonly faultKinds?: readonly FaultKind[];
  readonly validatorCount?: number;
  /** No invalid blocks and nobody broken in the end: all are honest until somebody puts an adversary in. */
  readonly areAllSound?: boolean;
}

const NETWORK = digest('network', [new Uint8Array(1)], nativeSha256) as Uint8Array as NetworkId;
/** Heights after which the powers change. */
const EPOCH_LENGTH = 12;
const SLOTS = 60;

export function scenarioOf(seed: number, options: ScenarioOptions = {}): Scenario {
  const random = new SeededRandom(seed, 'scenario');
  const validatorCount = options.validatorCount ?? random.pick([1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 7, 10]);
  const processCount = validatorCount + (random.chance(0.1) ? 1 : 0);
  const keys = sortedKeys(random.fork('keys'), processCount, options.hasRealSignatures ?? false);
  const sets = validatorSets(random.fork('powers'), keys, validatorCount);
  const faulty = options.areAllSound ? [] : tolerated(random.fork('faulty'), sets, 0.25, []);
  const broken = options.areAllSound ? [] : tolerated(random.fork('broken'), sets, 0.3, faulty);
  const processes = Array.from({ length: processCount }, (_, process) => process);
  const stormMs = random.between(3, 20) * 1000;
  const drawnFaults = faultsOf(
    random.fork('faults'),
    processCount,
    stormMs,
    options.faultKinds ?? FAULT_KINDS,
  );
  const paceMs = random.pick([0, 10, 100, 400]);
  return {
    seed,
    validatorCount,
    processCount,
    keys,
    chain: chainOf(random.fork('proposers'), keys, sets),
    timeouts: random.pick(TIMEOUTS),
    habits: processes.map((process) => habitsOf(random, paceMs, faulty.includes(process))),
    clocks: processes.map(() => ({
      skewMs: random.between(-3_600_000, 3_600_000),
      rate: random.chance(0.5) ? 1 : 0.9 + 0.2 * random.unit(),
    })),
    weather: weather(random),
    restartMs: random.between(50, 1500),
    faults: drawnFaults.flatMap((fault) => bearable(fault, broken)),
    stormMs,
    faulty: new Set(faulty),
    brokenAtEnd: new Set(broken),
    isWire: random.chance(0.05),
  };
}

/** Patient ones, and some so short that rounds fail by themselves. */
const TIMEOUTS: readonly TimeoutParams[] = [
  { proposeMs: 300, proposeGrowthMs: 100, voteMs: 100, voteGrowthMs: 50 },
  { proposeMs: 300, proposeGrowthMs: 100, voteMs: 100, voteGrowthMs: 50 },
  { proposeMs: 600, proposeGrowthMs: 200, voteMs: 200, voteGrowthMs: 100 },
  { proposeMs: 60, proposeGrowthMs: 30, voteMs: 20, voteGrowthMs: 20 },
];

// ---- Who -------------------------------------------------------------------------------------------------------

/** In order of node id, so that process i is validator i. */
function sortedKeys(random: SeededRandom, count: number, isReal: boolean): SimKeys {
  const { signers, verify } = simKeys(random, count, isReal);
  return { signers: [...signers].sort((a, b) => compare(a.publicKey, b.publicKey)), verify };
}

/** The same members with other powers from epoch to epoch. */
function validatorSets(random: SeededRandom, keys: SimKeys, count: number): ValidatorSet[] {
  const style = random.pick(['equal', 'equal', 'drawn', 'changing'] as const);
  const powers = (): bigint[] =>
    Array.from({ length: count }, () => (style === 'equal' ? 1n : BigInt(random.between(1, 9))));
  const setOf = (powersNow: readonly bigint[]): ValidatorSet =>
    validatorSet(
      powersNow.map((power, index) => ({ node: keys.signers[index]!.publicKey as NodeId, power })),
    );
  return Array.from({ length: style === 'changing' ? 3 : 1 }, () => setOf(powers()));
}

/** Some processes that together with `before` have no weak weight in any of the sets. */
function tolerated(
  random: SeededRandom,
  sets: readonly ValidatorSet[],
  probability: number,
  before: readonly number[],
): number[] {
  if (!random.chance(probability)) return [];
  const count = sets[0]!.validators.length;
  const chosen: number[] = [];
  const order = random.sample(
    Array.from({ length: count }, (_, index) => index),
    count,
  );
  for (const process of order) {
    if (before.includes(process)) continue;
    if (isTolerable(sets, [...before, ...chosen, process])) chosen.push(process);
    if (random.chance(0.5)) break;
  }
  return chosen;
}

/** Less than a third, exactly a third included: the rest is a quorum only if it is more than two thirds. */
export function isTolerable(sets: readonly ValidatorSet[], processes: readonly number[]): boolean {
  return sets.every((set) => {
    const power = processes.reduce((sum, process) => sum + (set.validators[process]?.power ?? 0n), 0n);
    return !isWeak(set, power) && power * 3n < set.totalPower;
  });
}

function chainOf(random: SeededRandom, keys: SimKeys, sets: readonly ValidatorSet[]): Chain {
  const schedules = sets.map((set) => scheduleOf(random, set));
  const starts = new Map<number, Omit<HeightStart, 'self'>>();
  return {
    network: NETWORK,
    verify: keys.verify,
    start: (height) => {
      let start = starts.get(height);
      if (start === undefined) {
        const index = Math.floor(height / EPOCH_LENGTH) % sets.length;
        start = { height, validators: sets[index]!, proposers: schedules[index]! };
        starts.set(height, start);
      }
      return start;
    },
  };
}

/** Slots by power, in drawn order; short, because every log of a height begins with it. */
function scheduleOf(random: SeededRandom, set: ValidatorSet): ProposerSchedule {
  const tickets = set.validators.flatMap(({ power }, index) =>
    Array.from({ length: Number(power) }, () => index),
  );
  return { firstHeight: 0, slots: Array.from({ length: SLOTS }, () => random.pick(tickets)) };
}

function habitsOf(random: SeededRandom, paceMs: number, isFaulty: boolean): ApplicationHabits {
  return {
    delayMaxMs: random.pick([0, 2, 10, 50]),
    paceMs,
    fillerLengthMax: random.pick([0, 0, 100, 2000]),
    invalidShare: isFaulty ? 0.7 : 0,
    barrenShare: random.chance(0.2) ? 0.2 : 0,
  };
}

// ---- What goes wrong -------------------------------------------------------------------------------------------

function weather(random: SeededRandom): NetworkConditions {
  const delayMinMs = random.pick([0.1, 1, 5]);
  const isRough = random.chance(0.5);
  return {
    delayMinMs,
    delayMaxMs: delayMinMs + random.pick([1, 10, 40, 150]),
    slowShare: isRough ? 0.2 * random.unit() : 0,
    slowMs: random.pick([50, 500, 3000]),
    lossShare: isRough ? 0.3 * random.unit() : 0,
    duplicateShare: isRough ? 0.5 * random.unit() : 0,
  };
}

function faultsOf(
  random: SeededRandom,
  processCount: number,
  stormMs: number,
  kinds: readonly FaultKind[],
): readonly Fault[] {
  // Not every kind in every run: what hides behind a common fault shows when that one is absent.
  const chosen = kinds.filter(() => kinds.length === 1 || random.chance(0.4));
  if (chosen.length === 0) return [];
  const count = random.between(1, 24);
  const faults = Array.from({ length: count }, () =>
    drawFault(random, random.pick(chosen), processCount, stormMs),
  );
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** Who loses its log is silent for a height, and with too many of these the height could not end: only who is broken in the end. */
function bearable(fault: Fault, broken: readonly number[]): readonly Fault[] {
  if (fault.kind !== 'lost log') return [fault];
  return broken.length === 0 ? [] : [{ ...fault, process: broken[fault.process % broken.length]! }];
}

function drawFault(random: SeededRandom, kind: FaultKind, processCount: number, stormMs: number): Fault {
  const atMs = random.below(stormMs);
  const process = random.below(processCount);
  const durationMs = random.between(10, 5000);
  const plan = { isPowerCut: random.chance(0.5), downMs: random.between(0, 3000) };
  switch (kind) {
    case 'partition': {
      const everybody = Array.from({ length: processCount }, (_, index) => index);
      const side = random.sample(everybody, random.between(1, Math.max(1, processCount - 1)));
      const direction = random.pick(['both', 'both', 'from', 'to'] as const);
      return { atMs, kind, side: side.sort((a, b) => a - b), direction, durationMs };
    }
    case 'conditions':
      return { atMs, kind, conditions: weather(random), durationMs };
    case 'crash':
      return { atMs, kind, process, plan };
    case 'crash between effects':
      return { atMs, kind, process, calls: random.below(60), plan };
    case 'blackout':
      return { atMs, kind, downMs: random.between(0, 1000) };
    case 'failed sync':
      return { atMs, kind, process };
    case 'full disk':
      return { atMs, kind, process, durationMs };
    case 'slow disk':
      return { atMs, kind, process, syncMaxMs: random.between(10, 600), durationMs };
    case 'lost log':
      return { atMs, kind, process, downMs: random.between(0, 1000) };
    case 'pause':
      return { atMs, kind, process, durationMs };
    case 'clock jump':
      return { atMs, kind, process, byMs: random.between(-3_600_000, 3_600_000) };
  }
}
