// Runs a forecast beside a terminal: in steps, so that progress is drawn and Ctrl-C ends it, and puts the model's figures beside what came of it.

import {
  type Durability,
  DURABILITY_ASSUMPTIONS,
  durabilityOf,
  expectedRepairs,
  lossRatePerYear,
} from '../src/client/durability.ts';
import { DAY_MS, Forecast, type ForecastOptions } from '../src/forecast/forecast.ts';
import { type Code, defaultCode, repairThreshold } from '../src/replication/code.ts';
import { nativeSha256 } from '../src/runtime/crypto.ts';
import { DEFAULT_AUDIT } from '../src/shards/audit-rules.ts';
import type { Context } from './command.ts';
import { checkSize, type Rate, replayCommand, type SimFlags } from './sim-flags.ts';
import { reportText } from './sim-report.ts';

const HOUR_MS = 3600 * 1000;
const YEAR_DAYS = 365.25;
/** A new node takes the place of one that is lost a day later. */
const JOIN_AFTER_MS = DAY_MS;
/** What a node loses at a time where pieces rot. */
const ROT_SHARE = 0.01;
/** Segments placed between two looks at the signal. */
const PLACED_PER_STEP = 1000;
/** Where no line can be drawn, progress is told this often. */
const TELL_PERIOD_MS = 15_000;

export interface SimModel extends Durability {
  /** Losses per node and year that the model was given: those that happened. */
  readonly lossesPerNodeYear: number;
  readonly repairHours: number;
  /** Of all segments in the time of the run. */
  readonly movedBytes: number;
  readonly assumptions: readonly string[];
}

export interface SimReport {
  readonly flags: SimFlags;
  readonly code: Code;
  readonly command: string;
  readonly forecast: Forecast;
  readonly model: SimModel;
  /** From the loss of a node until what it held was made again. */
  readonly repairHours: number;
}

export async function runForecast({ output, signal }: Context, flags: SimFlags): Promise<void> {
  const code = flags.code ?? defaultCode(flags.nodes);
  const options = optionsOf(flags, code);
  checkSize(flags, code, options.deathsPerYear);
  const forecast = new Forecast(options, nativeSha256);
  const progress = createTeller(output);
  while (forecast.place(PLACED_PER_STEP)) {
    progress(`placing segments: ${forecast.placed} of ${flags.segments}`);
    await pause(signal);
  }
  for (let hour = 1; hour <= flags.days * 24; hour++) {
    forecast.advance(hour * HOUR_MS);
    progress(`day ${Math.floor(hour / 24)} of ${flags.days}: ${forecast.tally.repairs} repairs`);
    if (hour % 6 === 0) await pause(signal);
  }
  output.live('');
  const report = reportOf(flags, code, forecast);
  output.result(reportText(report, output), reportJson(report));
}

function optionsOf(flags: SimFlags, code: Code): ForecastOptions {
  const {
    seed,
    nodes,
    segments,
    segmentSize,
    churn,
    outages,
    outageHours,
    disaster,
    uplink,
    rot,
    rebalance,
  } = flags;
  return {
    seed,
    nodes,
    segments,
    code,
    segmentLength: segmentSize,
    deathsPerYear: perYear(churn),
    outagesPerYear: perYear(outages),
    outageMs: outageHours * HOUR_MS,
    rotsPerYear: perYear(rot),
    rotShare: ROT_SHARE,
    isRebalanced: rebalance === true,
    joinAfterMs: JOIN_AFTER_MS,
    uplinkPerSecond: uplink,
    audit: DEFAULT_AUDIT,
    ...(disaster === undefined ? {} : { disaster: { share: disaster.share, atMs: disaster.day * DAY_MS } }),
  };
}

function perYear({ value, isShare, periodYears }: Rate): number {
  return isShare ? lossRatePerYear(value, periodYears) : value / periodYears;
}

/** Lets signals in, and the line be drawn. */
async function pause(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}

function createTeller(output: Context['output']): (text: string) => void {
  let toldMs = performance.now();
  return (text) => {
    if (output.isLive) output.live(text);
    else if (performance.now() - toldMs > TELL_PERIOD_MS) {
      toldMs = performance.now();
      output.note(text);
    }
  };
}

function reportOf(flags: SimFlags, code: Code, forecast: Forecast): SimReport {
  const { tally } = forecast;
  const { roundMs, lostRounds } = DEFAULT_AUDIT;
  const detectionHours = ((lostRounds - 0.5) * roundMs) / HOUR_MS;
  const repairHours = detectionHours + tally.repairMs / Math.max(1, tally.repairs) / HOUR_MS;
  const lossesPerNodeYear = tally.deaths / forecast.nodeYears();
  const input = { code, repairAt: repairThreshold(code), lossesPerNodeYear, repairHours };
  const expected = expectedRepairs(input, flags.days / YEAR_DAYS);
  // Whoever repairs fetches k pieces and keeps one of those that it makes.
  const pieces = expected.repairs * (code.k - 1) + expected.pieces;
  const model = {
    ...durabilityOf(input),
    lossesPerNodeYear,
    repairHours,
    movedBytes: flags.segments * pieces * Math.ceil(flags.segmentSize / code.k),
    assumptions: DURABILITY_ASSUMPTIONS,
  };
  return { flags, code, command: replayCommand(flags, code), forecast, model, repairHours };
}

function reportJson({
  flags,
  code,
  command,
  forecast,
  model,
  repairHours,
}: SimReport): Record<string, unknown> {
  const { tally } = forecast;
  return {
    seed: flags.seed,
    days: flags.days,
    nodes: flags.nodes,
    segments: flags.segments,
    segmentLength: flags.segmentSize,
    code: `${code.k}/${code.n}`,
    repairAt: repairThreshold(code),
    churn: flags.churn.text,
    lost: tally.lost,
    fewestPieces: Number.isFinite(tally.intactMin) ? tally.intactMin : code.n,
    piecesLeft: forecast.intactCounts(),
    nodesLost: tally.deaths,
    nodesJoined: tally.joins,
    outages: tally.outages,
    storms: tally.storms,
    repairs: tally.repairs,
    piecesRebuilt: tally.pieces,
    movedBytes: tally.movedBytes,
    repairHours,
    rots: tally.rots,
    piecesRotten: tally.rotten,
    rotsFound: tally.rotsFound,
    rotHiddenHours: tally.rotsFound === 0 ? null : tally.rotHiddenMs / tally.rotsFound / HOUR_MS,
    piecesRebalanced: tally.rebalanced,
    rebalancedBytes: tally.rebalancedBytes,
    sparedByReturn: tally.spared,
    returnedPieces: tally.returned,
    model: {
      ...model,
      nines: Number.isFinite(model.nines) ? model.nines : null,
      movedShare: model.movedBytes === 0 ? null : tally.movedBytes / model.movedBytes,
    },
    incidentCount: tally.incidentCount,
    incidents: tally.incidents,
    command,
  };
}
