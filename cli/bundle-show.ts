// What a bundle says, for people and programs.

import type { Bundle } from '../src/client/care/bundle.ts';
import type { VerifiedBundle } from '../src/client/care/bundle-verify.ts';
import type { ObjectHealth } from '../src/client/care/types.ts';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The block that a reader has to trust; null where that is the founding document, which the network id names. */
export function trustJson({
  founding,
  blocks,
}: Bundle): { readonly height: number; readonly hash: string } | null {
  const [first] = blocks;
  return founding === undefined ? { height: first!.header.height, hash: hex(first!.id) } : null;
}

/** How the object was, at the height of the bundle. */
export async function healthIn({ bundle, facts, moment }: VerifiedBundle): Promise<ObjectHealth> {
  const { HealthTally } = await import('../src/client/care/health.ts');
  const tally = new HealthTally(bundle.object, facts.record, facts.network.rules);
  tally.add(facts.part, facts.holders);
  return tally.result(undefined, moment, {});
}

export function anchorsJson({ facts }: VerifiedBundle): readonly Readonly<Record<string, unknown>>[] {
  return [...facts.anchors].map(([node, { round, group, anchor }]) => ({
    node,
    round,
    group,
    results: anchor.count,
    root: hex(anchor.root),
    anchoredAtHeight: anchor.height,
    auditors: anchor.auditors.length,
  }));
}

export async function describeBundle(verified: VerifiedBundle, health: ObjectHealth): Promise<string> {
  const { fields, shortId, table } = await import('./format.ts');
  const { describeHealth } = await import('./health.ts');
  const { bundle, facts, trustedHeight } = verified;
  const { record } = facts;
  const from =
    trustedHeight === 0 ? 'the founding of the network' : `block ${trustedHeight}, which you named`;
  const anchors = anchorsJson(verified).map((each) => [
    shortId(String(each['node'])),
    String(each['round']),
    String(each['results']),
    String(each['auditors']),
    `height ${String(each['anchoredAtHeight'])}`,
  ]);
  return [
    fields([
      ['verified', `from ${from} by ${bundle.blocks.length} blocks`],
      ['network', hex(bundle.network)],
      ['owner', hex(record.owner)],
      ['registered', `at height ${record.registeredAtHeight}`],
    ]),
    await describeHealth(health),
    ...(anchors.length === 0
      ? []
      : [table(['holder', 'last round', 'results', 'auditors', 'on the chain'], anchors)]),
  ].join('\n\n');
}
