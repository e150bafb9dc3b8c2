// Twins over many seeds: every plan for every seed.

import { isWithinBound, TWINS_PLANS } from './twins-script.ts';
import { runTwins, type TwinsResult } from './twins.ts';

export interface TwinsFigures {
  readonly scenarios: number;
  readonly events: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Most rounds from the end of a script until all had decided, within the bound. */
  readonly roundsAfter: number;
  /** Beyond the bound. Each convicted more than a third, or it is a violation. */
  readonly forks: number;
  readonly violations: readonly { readonly seed: number; readonly text: string }[];
}

/** Forks that come so rarely as one in so many scenarios beyond the bound would mean that the scripts see nothing. */
const SCENARIOS_A_FORK_MAX = 500;

/** More would say the same. */
const VIOLATIONS_MAX = 10;

/** Ends early at `untilMs` of `performance.now`. */
export function twinsCampaign(from: number, to: number, untilMs: number): TwinsFigures {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  const violations: { seed: number; text: string }[] = [];
  let [scenarios, events, roundsAfter, forks] = [0, 0, 0, 0];
  const add = (result: TwinsResult): void => {
    const { seed, plan, violation } = result;
    scenarios++;
    events += result.events;
    if (result.isForked) forks++;
    if (isWithinBound(plan)) roundsAfter = Math.max(roundsAfter, result.roundsAfter);
    if (violation === undefined) return;
    violations.push({ seed, text: `${plan.pairCount} twinned of ${plan.validatorCount}: ${violation}` });
  };
  for (let seed = from; seed <= to && performance.now() < untilMs; seed++) {
    if (violations.length >= VIOLATIONS_MAX) break;
    for (const plan of TWINS_PLANS) add(runTwins(seed, plan));
  }
  if (scenarios > 2 * SCENARIOS_A_FORK_MAX && forks * 2 * SCENARIOS_A_FORK_MAX < scenarios) {
    violations.push({ seed: from, text: `only ${forks} forks: the scripts have lost their teeth` });
  }
  const cpu = process.cpuUsage(startCpu);
  return {
    scenarios,
    events,
    seconds: (performance.now() - startMs) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    roundsAfter,
    forks,
    violations,
  };
}
