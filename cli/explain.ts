// `store explain`: why the pieces of an object lie where they lie, and where placement would put them now.

import type { ExplainedMember, Explanation } from '../src/client/care/types.ts';
import { MANIFEST_PAGES_MAX, PAGE_SEGMENTS_MAX } from '../src/base/limits.ts';
import { parseCount } from './args.ts';
import type { ClientFlags, CommandSpec } from './command.ts';
import { KEY_OPTIONS } from './names.ts';

/** Members behind the last one that is chosen or holds something. */
const SPARES_SHOWN = 5;

export const explain: CommandSpec = {
  name: 'explain',
  summary: 'show why these nodes hold an object, and whom placement would choose now',
  operands: '<uri>',
  options: [
    {
      flags: '--segment <number>',
      help: 'of this segment (default: 0)',
      parse: parseCount(0, MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX),
    },
    ...KEY_OPTIONS,
  ],
  details: `Members are ranked for each segment by their weight, which is made of stake and
capacity, and by chance that nobody chooses. Pieces go to the first of each
operator, spread over failure domains; the others are spares. A holder that would
not be chosen now stays: data moves when a holder is lost or leaves, not for
the sake of order.`,
  async run(context, [uri], flags) {
    const { withStore } = await import('./open.ts');
    const { proofJson } = await import('./open-chain.ts');
    const segment = flags['segment'] as number | undefined;
    const found = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      store.care.explain(uri!, { ...events, ...(segment === undefined ? {} : { segment }) }),
    );
    const { height, timeMs, uri: name, index, ...rest } = found;
    const moment = { height, timeMs, epoch: 0 as never };
    context.output.result(await describe(found), {
      ...rest,
      uri: name ?? null,
      segment: index,
      ...proofJson(moment),
    });
    return undefined;
  },
};

async function describe(found: Explanation): Promise<string> {
  const { fields, plural, shortId, table } = await import('./format.ts');
  const { proofLine } = await import('./open-chain.ts');
  const { code, members, pieces, placedElsewhere } = found;
  const rows = shown(members).map((each) => [
    String(each.rank),
    shortId(each.node),
    shortId(each.operator),
    `${(each.sharePerMillion / 10_000).toFixed(1)} %`,
    Object.entries(each.domains)
      .map((domain) => domain.join('='))
      .join(' ') || '-',
    each.holds.length === 0 ? '-' : each.holds.join(' '),
    WORDS[each.choice],
  ]);
  const strangers = pieces.filter(({ rank }) => rank === null);
  const agreement =
    placedElsewhere === 0
      ? 'placement would choose the same nodes now'
      : `placement would give ${plural(placedElsewhere, 'piece')} to others now; they stay where they are while their holders do`;
  return [
    fields([
      ['object', found.object],
      ['segment', `${found.index} of ${found.segmentCount}, any ${code.k} of ${code.n} pieces rebuild`],
      ['registered', `at height ${found.registeredAtHeight}; members are those of epoch ${found.epoch}`],
      ['placement', agreement],
    ]),
    table(['rank', 'node', 'operator', 'weight', 'domains', 'holds', 'now'], rows),
    ...strangers.map(
      ({ index, node, standing }) =>
        `piece ${index}: ${shortId(node)} is ${standing === 'gone' ? 'no member any more' : 'not ranked'}`,
    ),
    ...(rows.length < members.length
      ? [`${members.length - rows.length} more members, all of them spares`]
      : []),
    proofLine({ height: found.height, timeMs: found.timeMs, epoch: 0 as never }),
  ].join('\n\n');
}

const WORDS: Readonly<Record<ExplainedMember['choice'], string>> = {
  chosen: 'chosen',
  spare: 'spare',
  'shared-domain': 'passed over: its failure domain has its share',
  'same-operator': 'passed over: its operator has a piece',
  suspended: 'suspended: silent in audits',
};

/** As far as anybody is chosen or holds something, and a few spares. */
function shown(members: readonly ExplainedMember[]): readonly ExplainedMember[] {
  const last = members.findLastIndex(({ choice, holds }) => choice === 'chosen' || holds.length > 0);
  return members.slice(0, last + 1 + SPARES_SHOWN);
}
