// One run: a storm in which only safety is asked for, then quiet, in which every honest process that is up must decide
// what the others have decided, and something new, in bounded time.

import { proposerAt } from '../../src/consensus/proposer.ts';
import { phaseMs } from '../../src/consensus/obligations.ts';
import { DECISION_INTERVAL_MS } from '../../src/base/limits.ts';
import { Checks, type Violation } from './checks.ts';
import { healAll, schedule } from './faults.ts';
import { honest, type HonestParticipant } from './honest.ts';
import { observers, type Observer } from './observer.ts';
import { SeededRandom } from './random.ts';
import { type Scenario, type ScenarioOptions, scenarioOf } from './scenario.ts';
import type { Story } from './story.ts';
import type { Tally } from './tally.ts';
import { type ParticipantFactory, World } from './world.ts';

export interface RunOptions extends ScenarioOptions {
  /** Is told what happens beside the checks. */
  readonly story?: Story;
  /** Changes the scenario that was drawn. */
  readonly arrange?: (scenario: Scenario) => Scenario;
  /** What stands at a process instead of an honest one; undefined for honest. Name it in `faulty` of the scenario, too. */
  readonly participant?: (process: number, scenario: Scenario) => ParticipantFactory | undefined;
  /** Who lies in the arranged scenario, by process; nothing is expected of these. */
  readonly cast?: (scenario: Scenario) => ReadonlyMap<number, ParticipantFactory>;
  /** Is told what happens, too. */
  readonly watcher?: Observer;
}

export interface RunResult {
  readonly seed: number;
  /** Of everything that happened. */
  readonly digest: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly heights: number;
  /** From the end of the faults until all had decided something new; undefined when the run did not get there. */
  readonly recoveryMs: number | undefined;
  readonly tally: Tally;
  /** Validators against whom evidence was found. */
  readonly accused: ReadonlySet<number>;
  readonly violation: Violation | undefined;
}

/** More than any run of a drawn scenario needs; a run that spins forever ends here. */
const EVENTS_MAX = 20_000_000;

const NOBODY: ReadonlyMap<number, ParticipantFactory> = new Map();

export function run(seed: number, options: RunOptions = {}): RunResult {
  const drawn = scenarioOf(seed, options);
  const arranged = options.arrange?.(drawn) ?? drawn;
  const liars = options.cast?.(arranged) ?? NOBODY;
  const scenario = { ...arranged, faulty: new Set([...arranged.faulty, ...liars.keys()]) };
  const checks = new Checks({
    chain: scenario.chain,
    validators: processes(scenario).map((process) => voiceOf(scenario, process)),
    faulty: scenario.faulty,
  });
  const { story, watcher } = options;
  const watching = [story, watcher].filter((each) => each !== undefined);
  const observer = watching.length === 0 ? checks : observers([...watching, checks]);
  const world = worldOf(scenario, observer, options, liars);
  story?.clock(() => world.scheduler.now);
  const recoveryMs = runWorld(world, scenario, checks, observer);
  world.trace.addText(checks.violation?.text ?? '');
  return {
    seed,
    digest: world.trace.toString(),
    events: world.scheduler.count,
    simulatedMs: world.scheduler.now,
    heights: checks.heights,
    recoveryMs: checks.violation === undefined ? recoveryMs : undefined,
    tally: world.tally,
    accused: checks.accused,
    violation: checks.violation,
  };
}

const processes = (scenario: Scenario): number[] =>
  Array.from({ length: scenario.processCount }, (_, process) => process);

const voiceOf = (scenario: Scenario, process: number): number | undefined =>
  process < scenario.validatorCount ? process : undefined;

function worldOf(
  scenario: Scenario,
  observer: Observer,
  options: RunOptions,
  liars: ReadonlyMap<number, ParticipantFactory>,
): World {
  const plans = processes(scenario).map((process) => ({
    validator: voiceOf(scenario, process),
    signer: scenario.keys.signers[process]!,
    factory:
      options.participant?.(process, scenario) ??
      liars.get(process) ??
      honest({ timeouts: scenario.timeouts, habits: scenario.habits[process]! }),
    clockSkewMs: scenario.clocks[process]!.skewMs,
    clockRate: scenario.clocks[process]!.rate,
  }));
  const world = new World({
    processes: plans,
    chain: scenario.chain,
    random: new SeededRandom(scenario.seed, 'world'),
    observer,
    isWire: scenario.isWire,
    restartMs: scenario.restartMs,
  });
  world.network.conditions = scenario.weather;
  return world;
}

function runWorld(world: World, scenario: Scenario, checks: Checks, observer: Observer): number | undefined {
  try {
    schedule(world, scenario.faults, observer);
    world.startAll();
    advance(world, checks, scenario.stormMs);
    if (checks.violation === undefined) return quietPhase(world, scenario, checks, observer);
  } catch (error) {
    // What nobody foresaw: a broken invariant, a damaged file, a defect.
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    checks.fail('crash', text);
  }
  return undefined;
}

function advance(world: World, checks: Checks, untilMs: number, isDone?: () => boolean): void {
  while (checks.violation === undefined && world.scheduler.step(untilMs)) {
    if (isDone?.() === true) return;
    if (world.scheduler.count > EVENTS_MAX) checks.fail('liveness', 'the run does not end');
  }
}

// ---- Quiet -----------------------------------------------------------------------------------------------------

/** How long it took until all that are expected to had decided something new. */
function quietPhase(world: World, scenario: Scenario, checks: Checks, observer: Observer): number {
  healAll(world);
  for (const process of scenario.brokenAtEnd) {
    if (world.isUp(process)) world.crash(process, { isPowerCut: false, downMs: undefined });
  }
  const up = processes(scenario).filter((process) => !scenario.brokenAtEnd.has(process));
  for (const process of up) world.start(process);
  // A follower hears of a decision once; nobody owes it a second time.
  const expected = up.filter((process) => isExpected(scenario, process));
  const heightBefore = Math.max(0, ...expected.map((process) => checks.heightOf(process)));
  const boundMs = liveBoundMs(world, scenario, expected, heightBefore, checks);
  observer.fault(`quiet from now on; height ${heightBefore + 1} is due within ${Math.round(boundMs)} ms`);
  const isDone = (): boolean => expected.every((process) => checks.heightOf(process) > heightBefore);
  if (expected.length === 0) return 0;
  const startMs = world.scheduler.now;
  let asked = -1;
  advance(world, checks, startMs + boundMs, () => {
    if (checks.decisions === asked) return false;
    asked = checks.decisions;
    return isDone();
  });
  if (checks.violation === undefined && !isDone()) {
    const late = expected.filter((process) => checks.heightOf(process) <= heightBefore);
    const where = late.map((process) => `process ${process} ${stateOf(world, process)}`).join('; ');
    checks.fail(
      'liveness',
      `${Math.round(boundMs)} ms after the faults ended height ${heightBefore + 1} is not decided by all: ${where}`,
    );
  }
  return world.scheduler.now - startMs;
}

const isExpected = (scenario: Scenario, process: number): boolean =>
  process < scenario.validatorCount && !scenario.faulty.has(process);

/**
 * In the worst case whoever is behind catches up height by height, then every proposer in turn that is down or lies has its round, then
 * an honest one has one that all are in. Clocks that are a tenth slow stretch it all, and a process may be restarting.
 */
function liveBoundMs(
  world: World,
  scenario: Scenario,
  expected: readonly number[],
  heightBefore: number,
  checks: Checks,
): number {
  const rounds = expected.map((process) => roundOf(world, process));
  const round = Math.max(0, ...rounds);
  const behind = Math.max(0, ...expected.map((process) => heightBefore - checks.heightOf(process)));
  const useless = longestUseless(scenario, heightBefore);
  let boundMs = scenario.restartMs;
  for (let i = 0; i < useless + 3; i++) boundMs += phaseMs(scenario.timeouts, 'rebroadcast', round + i) + 200;
  const catchUpMs = behind * (phaseMs(scenario.timeouts, 'rebroadcast', 0) + DECISION_INTERVAL_MS + 500);
  return 2 * boundMs * 1.25 + catchUpMs * 1.25 + 2000;
}

/** Longest run of slots whose proposers make no block in the quiet phase. */
function longestUseless(scenario: Scenario, heightBefore: number): number {
  const isUseful = (process: number): boolean =>
    !scenario.brokenAtEnd.has(process) &&
    !scenario.faulty.has(process) &&
    scenario.habits[process]!.barrenShare === 0;
  let longest = 0;
  for (const height of [heightBefore + 1, heightBefore + 2]) {
    const { proposers } = scenario.chain.start(height);
    let length = 0;
    for (let round = 0; round < 2 * proposers.slots.length; round++) {
      length = isUseful(proposerAt(proposers, height, round)) ? 0 : length + 1;
      longest = Math.max(longest, length);
    }
  }
  return longest;
}

function roundOf(world: World, process: number): number {
  return (
    (world.participant(process) as Partial<HonestParticipant> | undefined)?.host?.state.driver?.round.round ??
    0
  );
}

function stateOf(world: World, process: number): string {
  const host = (world.participant(process) as Partial<HonestParticipant> | undefined)?.host;
  const driver = host?.state.driver;
  if (host === undefined) return 'is down';
  if (driver === undefined) return 'has not begun';
  const { round, step, lockedRound, validRound } = driver.round;
  return `is at ${driver.start.height}/${round} ${step}, locked ${lockedRound}, valid ${validRound}`;
}
