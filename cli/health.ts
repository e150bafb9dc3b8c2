// `store health`: how objects are, segment by segment, as the chain proves it, and what the model makes of that.

import type {
  CareOptions,
  HolderView,
  ObjectHealth,
  OwnedObject,
  SegmentHealthView,
} from '../src/client/care/types.ts';
import type { SegmentState } from '../src/replication/repair.ts';
import { StoreError } from '../src/base/errors.ts';
import { parseCount } from './args.ts';
import type { ClientFlags, CommandSpec, Context } from './command.ts';
import { EXIT } from './errors.ts';
import { KEY_OPTIONS } from './names.ts';
import type { OpenStore } from './open.ts';
import { parseRate, type Rate } from './sim-flags.ts';

interface HealthFlags extends ClientFlags {
  readonly all?: boolean;
  readonly loss?: Rate;
  readonly repairHours?: number;
}

/** Looked at side by side with --all. */
const AT_ONCE = 8;
/** Segments shown to people, and objects in the table: the worst of them. */
const ROWS_MAX = 20;

export const health: CommandSpec = {
  name: 'health',
  summary: 'show how well objects are: pieces alive, margin, when they were proved',
  operands: '[uri]',
  options: [
    { flags: '--all', help: 'every object that has a name of this key, or was put from this home' },
    {
      flags: '--loss <rate>',
      help: 'share of nodes that is assumed to be lost (default: 10%/month)',
      parse: parseRate,
    },
    {
      flags: '--repair-hours <hours>',
      help: 'assumed time until lost pieces are made again (default: by the rules of the chain)',
      parse: parseCount(1, 100_000),
    },
    ...KEY_OPTIONS,
  ],
  details: `URI is a name, the URI of an object, or its id of 64 hex digits. All that is shown
was proven by the chain: holders, members, and what audits found of them.

Exit code 0: nothing needs repair; 4: something does, and the network is about
to; 10: of some segment fewer pieces are left than it takes to read it.`,
  async run(context, [uri], flags) {
    const { withStore } = await import('./open.ts');
    const { all } = flags as HealthFlags;
    if ((uri === undefined) !== (all === true)) {
      throw new StoreError('INVALID_ARGUMENT', 'health is of one object, or of --all', {
        next: 'Give a name, a URI or the id of an object; or --all.',
      });
    }
    return withStore(context, flags as ClientFlags, async (open) => {
      const options = { ...open.events, ...careOptions(flags as HealthFlags) };
      return uri === undefined ? tellAll(context, open, options) : tellOne(context, open, uri, options);
    });
  },
};

export function careOptions({ loss, repairHours }: HealthFlags): CareOptions {
  if (loss !== undefined && !loss.isShare) {
    throw new StoreError('INVALID_ARGUMENT', `--loss: "${loss.text}" is not a share of nodes`, {
      next: 'Give a rate such as 10%/month.',
    });
  }
  return {
    ...(loss === undefined ? {} : { loss: { share: loss.value, periodYears: loss.periodYears } }),
    ...(repairHours === undefined ? {} : { repairHours }),
  };
}

export function exitOf(states: readonly SegmentState[]): number {
  if (states.includes('lost')) return EXIT.NOT_ENOUGH;
  return states.some((state) => state === 'repair' || state === 'urgent') ? EXIT.PARTIAL : EXIT.OK;
}

// ---- One object ------------------------------------------------------------------------------------------------

async function tellOne(
  { output }: Context,
  { store }: OpenStore,
  uri: string,
  options: CareOptions,
): Promise<number> {
  const found = await store.care.health(uri, options);
  output.result(await describeHealth(found), await healthJson(found));
  return exitOf([found.state]);
}

export async function healthJson(found: ObjectHealth): Promise<Readonly<Record<string, unknown>>> {
  const { proofJson } = await import('./open-chain.ts');
  const { sizeBytes, uri, height, timeMs, ...rest } = found;
  return { ...rest, uri: uri ?? null, size: sizeBytes, ...proofJson({ height, timeMs, epoch: 0 as never }) };
}

export async function describeHealth(found: ObjectHealth): Promise<string> {
  const { fields, formatBytes, plural } = await import('./format.ts');
  const { proofLine } = await import('./open-chain.ts');
  const { code, registered, segmentCount, manifest, risks } = found;
  const isPartial = registered < segmentCount;
  const [risk] = risks;
  const parts = [
    fields([
      ...(found.uri === undefined ? [] : [['name', found.uri] as const]),
      ['object', found.object],
      [
        'size',
        `${formatBytes(found.sizeBytes)}: ${plural(segmentCount, 'segment')}, any ${code.k} of ${code.n} pieces rebuild`,
      ],
      ...(isPartial ? [['on the chain', `${registered} of ${segmentCount} segments yet`] as const] : []),
      ['state', stateText(found)],
      [
        'manifest',
        `${manifest.answering} of ${plural(manifest.pieces, 'copy', 'copies')} that the chain names answer`,
      ],
      ...(risk === undefined
        ? []
        : [
            [
              'shared risk',
              `${risk.label} ${risk.value} has up to ${risk.pieces} pieces of a segment`,
            ] as const,
          ]),
      ['yearly loss', lossText(found)],
    ]),
    await segmentTable(found.segments),
    await holderTable(found.holders),
    assumptions(found),
    proofLine({ height: found.height, timeMs: found.timeMs, epoch: 0 as never }),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function stateText({ state, margin, segments, counts }: ObjectHealth): string {
  const more = margin < 0 ? `${-margin} too few answer to read it now` : `${margin} more may go`;
  const wrong = Object.entries(counts).filter(([each, count]) => each !== 'whole' && count > 0);
  const of = segments.length > 1 ? ` in the worst segment` : '';
  const list = wrong.map(([each, count]) => `${count} ${each}`).join(', ');
  return `${state}: ${more}${of}${list === '' || segments.length < 2 ? '' : ` (${list})`}`;
}

function lossText({ model }: ObjectHealth): string {
  const { yearlyLoss, lossBeforeRepair } = model;
  const now = lossBeforeRepair === 0 ? '' : `; before it is whole again ${chance(lossBeforeRepair)}`;
  return `${chance(yearlyLoss)} by the model${now}`;
}

export const chance = (value: number): string => (value === 0 ? '0' : value.toExponential(1));

function assumptions({ model }: ObjectHealth): string {
  const { lossesPerNodeYear, repairHours, repairAt } = model;
  const first = `assumed: ${lossesPerNodeYear.toFixed(2)} losses of a node a year, made again in ${Number(repairHours.toFixed(2))} h from ${repairAt} pieces down`;
  return [first, ...model.assumptions].join('\n  ');
}

async function segmentTable(segments: readonly SegmentHealthView[]): Promise<string> {
  const { table } = await import('./format.ts');
  const { severity } = await import('../src/client/care/health.ts');
  if (segments.length === 0) return '';
  const worst = segments.toSorted((a, b) => severity(b) - severity(a) || a.margin - b.margin);
  const rows = worst
    .slice(0, ROWS_MAX)
    .map((each) => [
      String(each.index),
      each.state,
      `${each.alive} of ${each.pieces}`,
      String(each.answering),
      String(each.margin),
      String(each.sharedRisk),
      each.missing.join(' ') || '-',
      each.leaving.join(' ') || '-',
    ]);
  const head = ['segment', 'state', 'alive', 'answering', 'margin', 'one cause', 'missing', 'leaving'];
  const left = worst.length - rows.length;
  return table(head, rows) + (left > 0 ? `\n... and ${left} more, none of them worse` : '');
}

async function holderTable(holders: readonly HolderView[]): Promise<string> {
  const { shortId, table } = await import('./format.ts');
  const rows = holders.map((each) => [
    shortId(each.node),
    each.operator === null ? '-' : shortId(each.operator),
    each.standing,
    String(each.pieces),
    each.provenHeight === null ? 'never' : `height ${each.provenHeight}`,
    String(each.silentRounds),
    `${(each.score / 10_000).toFixed(1)} %`,
  ]);
  return table(['holder', 'operator', 'standing', 'pieces', 'proved all', 'silent rounds', 'score'], rows);
}

// ---- All ---------------------------------------------------------------------------------------------------------

type Looked = ObjectHealth | (OwnedObject & { readonly error: StoreError });

async function tellAll(
  { output }: Context,
  { store, events }: OpenStore,
  options: CareOptions,
): Promise<number> {
  const { forEachAtMost } = await import('../src/client/tasks.ts');
  const { severity } = await import('../src/client/care/health.ts');
  const { healthy, failed } = { healthy: [] as ObjectHealth[], failed: [] as Extract<Looked, OwnedObject>[] };
  await forEachAtMost(await store.care.owned(events), AT_ONCE, async (owned) => {
    try {
      healthy.push({ ...(await store.care.health(owned.object, options)), uri: owned.uri });
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
      failed.push({ ...owned, error } as Extract<Looked, OwnedObject>);
    }
  });
  healthy.sort(
    (a, b) => severity(b) - severity(a) || a.margin - b.margin || b.model.yearlyLoss - a.model.yearlyLoss,
  );
  output.result(await describeAll(healthy, failed), {
    objects: await Promise.all(healthy.map(summaryJson)),
    notOnChain: failed.map(({ object, uri }) => ({ object, uri: uri ?? null })),
    counts: countObjects(healthy),
  });
  if (failed.length > 0)
    output.warn(`the chain does not know ${failed.length} of them: nobody looks after these`);
  const code = exitOf(healthy.map(({ state }) => state));
  return code === EXIT.OK && failed.length > 0 ? EXIT.PARTIAL : code;
}

/** Without the lists of segments and holders, which `store health URI` has. */
async function summaryJson(found: ObjectHealth): Promise<Readonly<Record<string, unknown>>> {
  const { segments: _, holders: __, model, ...rest } = (await healthJson(found)) as Record<string, unknown>;
  return { ...rest, yearlyLoss: (model as ObjectHealth['model']).yearlyLoss };
}

function countObjects(all: readonly ObjectHealth[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { state } of all) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

async function describeAll(
  healthy: readonly ObjectHealth[],
  failed: readonly OwnedObject[],
): Promise<string> {
  const { formatBytes, plural, table } = await import('./format.ts');
  const all = healthy.length + failed.length;
  if (all === 0) return 'no objects: nothing has a name of this key, and nothing was put from this home';
  const counts = Object.entries(countObjects(healthy)).map(([state, count]) => `${count} ${state}`);
  const rows = healthy
    .slice(0, ROWS_MAX)
    .map((each) => [
      each.uri ?? each.object,
      each.state,
      String(each.margin),
      `${each.code.k}/${each.code.n}`,
      formatBytes(each.sizeBytes),
      chance(each.model.yearlyLoss),
    ]);
  const lost = healthy.reduce((sum, { model }) => sum + Math.log1p(-model.yearlyLoss), 0);
  return [
    `${plural(all, 'object')}: ${[...counts, ...(failed.length > 0 ? [`${failed.length} not on the chain`] : [])].join(', ')}`,
    ...(rows.length > 0
      ? ['', table(['object', 'state', 'margin', 'code', 'size', 'yearly loss'], rows)]
      : []),
    ...(healthy.length > ROWS_MAX ? [`... and ${healthy.length - ROWS_MAX} more, none of them worse`] : []),
    '',
    `any of them lost within a year, by the model: ${chance(-Math.expm1(lost))}`,
    ...(healthy[0] === undefined ? [] : [assumptions(healthy[0])]),
  ].join('\n');
}
