// `npm run sim -- --chain`: one seed with its story, or many with their figures. What fails is told with the command that repeats it.

import type { Settings } from '../flags.ts';
import { Tally } from '../tally.ts';
import { type ChainRunResult, runChain } from './run.ts';
import { Workers } from './workers.ts';

/** Failing seeds after which a campaign ends. */
const FAILURES_MAX = 10;

/** False when something that must hold did not. */
export async function chainCampaign(settings: Settings): Promise<boolean> {
  return settings.isCampaign ? await many(settings) : await one(settings);
}

async function one({ from: seed, isTold, isJson, lineCount }: Settings): Promise<boolean> {
  const lines: string[] = [];
  const result = await runChain(seed, { tell: (line) => lines.push(line) });
  if (isJson) writeJson([result], figuresOf([result], 0, 0));
  else {
    const isWanted = isTold || result.violation !== undefined;
    for (const line of isWanted ? lines.slice(-lineCount) : []) write(line);
    const { digest, events, simulatedMs, heights } = result;
    write(
      `seed ${seed}: ${events} events, ${(simulatedMs / 1000).toFixed(1)} s simulated, ${heights} heights, digest ${digest}`,
    );
    for (const [name, count] of result.tally.entries()) write(`  ${name}: ${count}`);
    if (result.violation === undefined) write('nothing violated');
    else writeViolation(result);
  }
  return result.violation === undefined;
}

async function many({ from, to, untilMs, twiceShare, jobs, isJson }: Settings): Promise<boolean> {
  const startMs = performance.now();
  const workers = new Workers(jobs);
  const results: ChainRunResult[] = [];
  const failed: ChainRunResult[] = [];
  let twice = 0;
  let next = from;
  const judge = async (seed: number): Promise<void> => {
    let result = await workers.run(seed);
    results.push(result);
    if (isRunTwice(seed - from, twiceShare)) {
      twice++;
      result = compared(result, await workers.run(seed, true));
    }
    if (result.violation === undefined) return;
    failed.push(result);
    if (!isJson) writeViolation(result);
  };
  const work = async (): Promise<void> => {
    while (next <= to && failed.length < FAILURES_MAX && performance.now() <= untilMs) await judge(next++);
  };
  await Promise.all(Array.from({ length: jobs }, work));
  workers.end();
  const seconds = (performance.now() - startMs) / 1000;
  const figures = { ...figuresOf(results, seconds, workers.cpuSeconds), twice };
  if (isJson) writeJson(failed, figures);
  else writeFigures(figures);
  return failed.length === 0;
}

/** Evenly spread. */
const isRunTwice = (index: number, share: number): boolean =>
  Math.floor((index + 1) * share) > Math.floor(index * share);

/** `again` is the same seed, at nodes that shared nothing. */
function compared(result: ChainRunResult, again: ChainRunResult): ChainRunResult {
  if (again.digest === result.digest) return result;
  const text = `at nodes that share no work the digest was ${again.digest}, else ${result.digest}`;
  return { ...result, violation: result.violation ?? { property: 'determinism', text } };
}

interface Figures {
  readonly seeds: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly simulatedHours: number;
  readonly heights: number;
  /** From the end of the faults until a new transaction was final everywhere: half of the seeds, ninety-nine of a hundred, all. */
  readonly recoveryMs: readonly [number, number, number];
  readonly slowestSeed: number | undefined;
  readonly happened: Readonly<Record<string, number>>;
  /** In how many runs it did. */
  readonly runsWith: Readonly<Record<string, number>>;
}

function figuresOf(results: readonly ChainRunResult[], seconds: number, cpuSeconds: number): Figures {
  const [tally, runsWith] = [new Tally(), new Tally()];
  for (const result of results) {
    tally.merge(result.tally);
    for (const [name] of result.tally.entries()) runsWith.add(name);
  }
  const recovered = results.filter(({ recoveryMs }) => recoveryMs !== undefined);
  const sorted = recovered.map(({ recoveryMs }) => recoveryMs!).sort((a, b) => a - b);
  const share = (part: number): number =>
    Math.ceil(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0);
  return {
    seeds: results.length,
    seconds,
    cpuSeconds,
    simulatedHours: results.reduce((sum, { simulatedMs }) => sum + simulatedMs, 0) / 3_600_000,
    heights: results.reduce((sum, { heights }) => sum + heights, 0),
    recoveryMs: [share(0.5), share(0.99), share(1)],
    slowestSeed: recovered.find(({ recoveryMs }) => recoveryMs === sorted.at(-1))?.seed,
    happened: Object.fromEntries(tally.entries()),
    runsWith: Object.fromEntries(runsWith.entries()),
  };
}

function writeFigures(figures: Figures & { readonly twice: number }): void {
  const { seeds, twice, seconds, cpuSeconds, simulatedHours, heights, recoveryMs, slowestSeed } = figures;
  write(
    `${seeds} seeds, ${twice} of them twice, in ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU (${(seeds / cpuSeconds).toFixed(2)} a second)`,
  );
  write(`${simulatedHours.toFixed(2)} simulated hours, ${heights.toLocaleString('en')} heights`);
  const [half, most, all] = recoveryMs;
  write(
    `a new transaction is final everywhere ${half} ms after the faults (half of the seeds), ${most} ms (99 %), ${all} ms (all); slowest is seed ${slowestSeed}`,
  );
  for (const [name, count] of Object.entries(figures.happened))
    write(`  ${name}: ${count.toLocaleString('en')} in ${figures.runsWith[name]} runs`);
}

const commandFor = (seed: number): string => `npm run sim -- --chain --seed ${seed} --verbose`;

function writeViolation({ seed, violation }: ChainRunResult): void {
  write(`VIOLATION of ${violation!.property}, seed ${seed}: ${violation!.text}`);
  write(`repeat: ${commandFor(seed)}`);
}

function writeJson(failed: readonly ChainRunResult[], figures: Figures): void {
  const violations = failed
    .filter(({ violation }) => violation !== undefined)
    .map(({ seed, violation }) => ({ seed, ...violation, repeat: commandFor(seed) }));
  write(JSON.stringify({ ...figures, violations }));
}

const write = (line: string): void => void process.stdout.write(`${line}\n`);
