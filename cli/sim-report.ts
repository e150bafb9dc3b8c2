// What `store sim` prints for people.

import { repairThreshold } from '../src/replication/code.ts';
import { fields, formatBytes, formatDuration, plural } from './format.ts';
import type { Output } from './output.ts';
import type { SimReport } from './sim-run.ts';

/** Incidents that are listed; all are in the JSON, up to its own bound. */
const LISTED_MAX = 10;

export function reportText(report: SimReport, { style }: Pick<Output, 'style'>): string {
  const { flags, code, forecast, model, repairHours, command } = report;
  const { tally } = forecast;
  const data = flags.segments * flags.segmentSize;
  const years = flags.days / 365.25;
  const lost = `${tally.lost} of ${plural(flags.segments, 'segment')}`;
  const fewest = Number.isFinite(tally.intactMin) ? tally.intactMin : code.n;
  return [
    `${plural(flags.nodes, 'node')}, ${plural(flags.segments, 'segment')} of ${formatBytes(flags.segmentSize)} as ${code.k}/${code.n} repaired at ${repairThreshold(code)}, ${plural(flags.days, 'day')}, churn ${flags.churn.text}`,
    '',
    fields([
      ['lost', tally.lost === 0 ? style('green', lost) : style('red', lost)],
      ['fewest pieces', `${fewest} of ${code.n} existed of some segment at some time; ${code.k} are needed`],
      ['nodes lost', `${tally.deaths}, ${model.lossesPerNodeYear.toFixed(2)} per node and year`],
      ...(tally.outages > 0 ? [['outages', outagesText(report)] as const] : []),
      ...(tally.rots > 0 ? [['rot', rotText(report)] as const] : []),
      ...(tally.rebalanced > 0
        ? [
            [
              'rebalanced',
              `${plural(tally.rebalanced, 'piece')}, ${formatBytes(tally.rebalancedBytes)}`,
            ] as const,
          ]
        : []),
      ['repaired', `${plural(tally.repairs, 'segment')}, ${plural(tally.pieces, 'piece')}`],
      ['traffic', `${formatBytes(tally.movedBytes)}, ${perYear(tally.movedBytes / data / years)}`],
      ['time to repair', `${formatDuration(repairHours * 3_600_000)} from a loss, on average`],
    ]),
    '',
    'The model, for as many losses and as long repairs as in this run:',
    fields([
      ['traffic', modelTraffic(report)],
      ['yearly loss', yearlyLoss(report)],
    ]),
    ...model.assumptions.map((text) => `- ${text}`),
    '',
    ...incidentLines(report),
    `again: ${command}`,
  ].join('\n');
}

function perYear(ratio: number): string {
  return `${ratio.toFixed(2)} bytes per byte of data and year`;
}

function modelTraffic({ forecast, model }: SimReport): string {
  if (model.movedBytes === 0) return 'none';
  const share = (100 * forecast.tally.movedBytes) / model.movedBytes;
  return `${formatBytes(Math.round(model.movedBytes))}; the run moved ${share.toFixed(1)} % of it`;
}

function yearlyLoss({ model }: SimReport): string {
  if (!Number.isFinite(model.nines)) return 'none: no node is lost';
  return `${model.yearlyLoss.toExponential(1)} of a segment (${model.nines.toFixed(1)} nines), if losses are independent`;
}

function outagesText({ forecast }: SimReport): string {
  const { outages, spared, returned } = forecast.tally;
  return `${outages}; ${plural(spared, 'repair')} not needed after a return, ${returned.reclaim} pieces taken back, ${returned.keep} kept, ${returned.drop} dropped`;
}

function rotText({ forecast }: SimReport): string {
  const { rots, rotten, rotsFound, rotHiddenMs } = forecast.tally;
  const found = rotsFound === 0 ? '' : `, after ${formatDuration(rotHiddenMs / rotsFound)} on average`;
  return `${plural(rots, 'time')}, ${plural(rotten, 'piece')}; found by audits ${plural(rotsFound, 'time')}${found}`;
}

function incidentLines({ forecast }: SimReport): readonly string[] {
  const { incidents, incidentCount } = forecast.tally;
  if (incidentCount === 0) return ['no incidents'];
  const listed = incidents.slice(0, LISTED_MAX).map(({ day, text }) => `  day ${day.toFixed(2)}  ${text}`);
  const more = incidentCount - listed.length;
  return [`${plural(incidentCount, 'incident')}:`, ...listed, ...(more > 0 ? [`  and ${more} more`] : [])];
}
