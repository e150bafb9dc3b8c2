// `npm run sim`: replays one seed, or runs a campaign over many. Ends with 1 when something that must hold did not, and then says
// what, how it came to that, and the command that repeats it.

import { drawnCast } from '../adversaries/consensus/cast.ts';
import { chainCampaign } from './chain/campaign.ts';
import { detect, detectionLines } from './detection.ts';
import { type Settings, settingsOf, USAGE } from './flags.ts';
import { type RunResult, run } from './run.ts';
import { scenarioOf } from './scenario.ts';
import { prologue, Story } from './story.ts';
import { Tally } from './tally.ts';
import { twinsCampaign } from './twins-campaign.ts';

async function main(): Promise<void> {
  let settings: Settings | undefined;
  try {
    settings = settingsOf(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (settings === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  if (!(await runAs(settings))) process.exitCode = 1;
}

/** False when something that must hold did not. */
function runAs(settings: Settings): boolean | Promise<boolean> {
  if (settings.isDetection) return detection(settings);
  if (settings.isTwins) return twins(settings);
  if (settings.isChain) return chainCampaign(settings);
  return settings.isCampaign ? campaign(settings) : replay(settings);
}

// ---- One seed --------------------------------------------------------------------------------------------------

function replay(settings: Settings): boolean {
  const { from: seed, options, isJson } = settings;
  const story = new Story(settings.hasMessages);
  const result = run(seed, { ...options, story });
  if (isJson) {
    writeJson(report([result], settings));
    return result.violation === undefined;
  }
  if (settings.isTold || result.violation !== undefined) tell(story, settings, seed);
  const { digest, events, simulatedMs, heights } = result;
  write(
    `seed ${seed}: ${events} events, ${(simulatedMs / 1000).toFixed(1)} s simulated, ${heights} heights, digest ${digest}`,
  );
  for (const [name, count] of result.tally.entries()) write(`  ${name}: ${count}`);
  if (result.violation === undefined) write('nothing violated');
  else writeViolation(result, settings);
  return result.violation === undefined;
}

function tell(story: Story, settings: Settings, seed: number): void {
  const scenario = scenarioOf(seed, settings.options);
  for (const line of prologue(scenario)) write(line);
  for (const [process, name] of drawnCast(scenario)) write(`process ${process} is a liar: ${name}`);
  for (const line of story.lines(settings.lineCount)) write(line);
}

// ---- Many ------------------------------------------------------------------------------------------------------

interface Campaign {
  seeds: number;
  twice: number;
  events: number;
  simulatedMs: number;
  heights: number;
  readonly recoveriesMs: number[];
  slowestMs: number;
  slowestSeed: number | undefined;
  readonly tally: Tally;
  readonly failed: RunResult[];
}

/** Failing seeds after which a campaign ends: more would say the same. */
const FAILURES_MAX = 10;

function campaign(settings: Settings): boolean {
  const total: Campaign = {
    seeds: 0,
    twice: 0,
    events: 0,
    simulatedMs: 0,
    heights: 0,
    recoveriesMs: [],
    slowestMs: -1,
    slowestSeed: undefined,
    tally: new Tally(),
    failed: [],
  };
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  for (let seed = settings.from; seed <= settings.to; seed++) {
    if (performance.now() > settings.untilMs || total.failed.length >= FAILURES_MAX) break;
    const result = run(seed, settings.options);
    count(total, result);
    if (isRunTwice(total.seeds, settings.twiceShare)) compareTwice(total, result, settings);
    if (result.violation !== undefined) {
      total.failed.push(result);
      if (!settings.isJson) writeViolation(result, settings);
    }
  }
  const cpu = process.cpuUsage(startCpu);
  const figures = {
    ...summary(total),
    seconds: (performance.now() - startMs) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  };
  if (settings.isJson) writeJson({ ...figures, violations: total.failed.map(violationOf(settings)) });
  else writeFigures(figures);
  return total.failed.length === 0;
}

/** Evenly spread. */
const isRunTwice = (index: number, share: number): boolean =>
  Math.floor(index * share) > Math.floor((index - 1) * share);

function count(total: Campaign, result: RunResult): void {
  total.seeds++;
  total.events += result.events;
  total.simulatedMs += result.simulatedMs;
  total.heights += result.heights;
  if (result.recoveryMs !== undefined) {
    total.recoveriesMs.push(result.recoveryMs);
    if (result.recoveryMs > total.slowestMs) {
      total.slowestMs = result.recoveryMs;
      total.slowestSeed = result.seed;
    }
  }
  total.tally.merge(result.tally);
}

function compareTwice(total: Campaign, result: RunResult, settings: Settings): void {
  const again = run(result.seed, settings.options);
  total.twice++;
  total.events += again.events;
  if (again.digest === result.digest) return;
  const text = `the second run had digest ${again.digest}, the first ${result.digest}`;
  const violation = { property: 'determinism', text } as const;
  total.failed.push({ ...result, violation });
}

interface Figures {
  readonly seeds: number;
  readonly seedsRunTwice: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly events: number;
  readonly simulatedHours: number;
  readonly heights: number;
  /** From the end of the faults to the next decision of all: half of the seeds, ninety-nine of a hundred, all. */
  readonly recoveryMs: readonly [number, number, number];
  /** To be read with `--story`. */
  readonly slowestSeed: number | undefined;
  readonly faults: Readonly<Record<string, number>>;
}

function summary(total: Campaign): Omit<Figures, 'seconds' | 'cpuSeconds'> {
  return {
    seeds: total.seeds,
    seedsRunTwice: total.twice,
    events: total.events,
    simulatedHours: total.simulatedMs / 3_600_000,
    heights: total.heights,
    recoveryMs: [
      share(total.recoveriesMs, 0.5),
      share(total.recoveriesMs, 0.99),
      share(total.recoveriesMs, 1),
    ],
    slowestSeed: total.slowestSeed,
    faults: Object.fromEntries(total.tally.entries()),
  };
}

/** The value that so much of `values` does not exceed, rounded up; 0 of none. */
function share(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.ceil(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0);
}

function writeFigures(figures: Figures & { readonly seconds: number }): void {
  const { seeds, seedsRunTwice, seconds, cpuSeconds, events, simulatedHours, heights } = figures;
  const rate = (amount: number): string => Math.round(amount / seconds).toLocaleString('en');
  const cpuRate = (amount: number): string => Math.round(amount / cpuSeconds).toLocaleString('en');
  write(
    `${seeds} seeds, ${seedsRunTwice} of them twice, in ${seconds.toFixed(1)} s (${(seeds / seconds).toFixed(1)} a second)`,
  );
  write(
    `${events.toLocaleString('en')} events: ${rate(events)} a second, ${cpuRate(events)} a second of CPU`,
  );
  write(`${simulatedHours.toFixed(2)} simulated hours, ${heights.toLocaleString('en')} heights`);
  const [half, most, all] = figures.recoveryMs;
  write(
    `all decide again ${half} ms after the faults (half of the seeds), ${most} ms (99 %), ${all} ms (all); slowest is seed ${figures.slowestSeed}`,
  );
  for (const [name, amount] of Object.entries(figures.faults)) {
    write(`  ${name}: ${amount.toLocaleString('en')}`);
  }
}

// ---- Twins -----------------------------------------------------------------------------------------------------

function twins({ from, to, untilMs, isJson }: Settings): boolean {
  const figures = twinsCampaign(from, to, untilMs);
  const { scenarios, seconds, cpuSeconds, forks, roundsAfter, violations } = figures;
  if (isJson) {
    writeJson(figures);
    return violations.length === 0;
  }
  for (const { seed, text } of violations) write(`VIOLATION, seed ${seed}: ${text}`);
  write(
    `${scenarios.toLocaleString('en')} scenarios in ${seconds.toFixed(1)} s, ${Math.round(scenarios / cpuSeconds)} a second of CPU`,
  );
  write(`${forks.toLocaleString('en')} forks beyond the bound`);
  if (violations.length > 0) return false;
  write(
    `each convicts more than a third; within the bound all decide at most ${roundsAfter} rounds after the script`,
  );
  return true;
}

// ---- Detection -------------------------------------------------------------------------------------------------

/** A table, which `docs/proofs.md` shows: nothing that could be violated. */
function detection({ from, to, isJson }: Settings): boolean {
  const results = detect(from, to);
  if (isJson) writeJson(results);
  else for (const line of detectionLines(results)) write(line);
  return true;
}

// ---- Output ----------------------------------------------------------------------------------------------------

function report(results: readonly RunResult[], settings: Settings): unknown {
  const [result] = results as [RunResult];
  const { seed, digest, events, simulatedMs, heights, tally } = result;
  const violations = result.violation === undefined ? [] : [violationOf(settings)(result)];
  const faults = Object.fromEntries(tally.entries());
  return { seed, digest, events, simulatedMs, heights, faults, violations };
}

const violationOf =
  (settings: Settings) =>
  ({ seed, violation }: RunResult): unknown => ({ seed, ...violation, repeat: commandFor(seed, settings) });

function commandFor(seed: number, settings: Settings): string {
  return `npm run sim -- --seed ${seed}${settings.options.hasRealSignatures === true ? ' --real-signatures' : ''}`;
}

function writeViolation({ seed, violation }: RunResult, settings: Settings): void {
  write(`VIOLATION of ${violation!.property}, seed ${seed}: ${violation!.text}`);
  write(`repeat: ${commandFor(seed, settings)}`);
}

const write = (line: string): void => void process.stdout.write(`${line}\n`);
const writeJson = (value: unknown): void => write(JSON.stringify(value));

// Somebody who reads only the first lines closes the pipe: there is nobody left to tell.
process.stdout.on('error', () => process.exit());

await main();
