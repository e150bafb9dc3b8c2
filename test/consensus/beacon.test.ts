import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/bytes.ts';
import { digest, type Sha256 } from '../../src/base/hash.ts';
import type { Digest, Epoch, NetworkId, NodeId } from '../../src/base/ids.ts';
import { BEACON_CHAIN_LENGTH_MAX, BEACON_CHAIN_SPACING } from '../../src/base/limits.ts';
import {
  type ChainPosition,
  commitChain,
  type Contributor,
  contribute,
  crossBorder,
  epochSeed,
  foundingContributor,
  foundingMix,
  nextReveal,
  positionIn,
  type RevealChain,
  revealChain,
} from '../../src/consensus/beacon.ts';
import { validatorSet } from '../../src/consensus/validator-set.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';

const network = digestFrom<NetworkId>('network');
const ownerOf = (index: number) => ({ network, node: digestFrom<NodeId>(`validator ${index}`) });
const owner = ownerOf(0);
const epoch = (number: number) => number as Epoch;
const chainOf = (secret: string, length: number, of = owner): RevealChain =>
  revealChain(of, digestFrom(secret), length, nativeSha256);

/** All links of a chain, first to last; the last is the committed end. */
function twinLinks(secret: string, length: number, of = owner): Digest[] {
  const after = (link: Uint8Array) => digest('beacon-reveal', [of.network, of.node, link]);
  const links = [after(digestFrom(secret))];
  while (links.length <= length) links.push(after(links.at(-1)!));
  return links;
}

/** Contributes and insists that it was accepted. */
function accept(contributor: Contributor, at: Epoch, mix: Digest, reveal: Uint8Array, of = owner) {
  const result = contribute(of, contributor, at, mix, reveal, nativeSha256);
  if (result.kind !== 'revealed') throw new Error(`not accepted: ${JSON.stringify(result)}`);
  return result;
}

const kindOf = (contributor: Contributor, at: number, reveal: Uint8Array | null): string =>
  contribute(owner, contributor, epoch(at), digestFrom('mix'), reveal).kind;

describe('a chain of reveals', () => {
  test('stays as it was frozen', () => {
    const file = new URL('../vectors/beacon.json', import.meta.url);
    const frozen = JSON.parse(readFileSync(file, 'utf8')) as {
      length: number;
      tip: string;
      reveals: string[];
      lastReveal: string;
      mixes: string[];
      seeds: { epoch: number; seed: string }[];
    };
    const chain = revealChain(owner, digestFrom('secret'), frozen.length);
    expect(toHex(chain.commitment.tip)).toBe(frozen.tip);
    let contributor = foundingContributor(chain.commitment);
    let mix = foundingMix(network);
    const mixes = [toHex(mix)];
    for (const expected of frozen.reveals) {
      const reveal = nextReveal(chain, contributor.current!)!;
      expect(toHex(reveal)).toBe(expected);
      ({ mix, contributor } = accept(contributor, epoch(0), mix, reveal));
      mixes.push(toHex(mix));
    }
    expect(mixes).toEqual(frozen.mixes);
    const tip = twinLinks('secret', 1)[1]!;
    expect(toHex(nextReveal(chain, { tip, remaining: 1 })!)).toBe(frozen.lastReveal);
    for (const { epoch: number, seed } of frozen.seeds) {
      expect(toHex(epochSeed(network, epoch(number), mix))).toBe(seed);
    }
  });

  test('goes back link by link to its beginning, and ends there', () => {
    const length = 2 * BEACON_CHAIN_SPACING + 3;
    const chain = chainOf('long', length);
    const links = twinLinks('long', length);
    expect(chain.commitment).toEqual({ tip: links[length], remaining: length });
    for (const index of [0, 1, 2, 1022, 1023, 1024, 1025, 2047, 2048, 2049, length - 1]) {
      const position = { tip: links[index + 1]!, remaining: index + 1 };
      expect(nextReveal(chain, position, nativeSha256)).toEqual(links[index]);
    }
    expect(nextReveal(chain, { tip: links[0]!, remaining: 0 })).toBe(undefined);
  });

  test('keeps one link in 1024 and needs at most so many hashes for a reveal', () => {
    const length = 3 * BEACON_CHAIN_SPACING;
    const chain = chainOf('memory', length);
    expect(chain.kept.length).toBe(3);
    let hashes = 0;
    const counting: Sha256 = (...parts) => {
      hashes++;
      return nativeSha256(...parts);
    };
    nextReveal(chain, chain.commitment, counting);
    expect(hashes).toBe(BEACON_CHAIN_SPACING);
  });

  test('says nothing when the others know another chain, so that no block is made that they refuse', () => {
    const chain = chainOf('mine', 20);
    const other = chainOf('new', 20);
    expect(nextReveal(chain, other.commitment)).toBe(undefined);
    expect(nextReveal(chain, { ...chain.commitment, remaining: 19 })).toBe(undefined);
    expect(nextReveal(chain, { ...chain.commitment, remaining: 21 })).toBe(undefined);
    expect(nextReveal(chain, { ...chain.commitment, remaining: 5000 })).toBe(undefined);
  });

  test('belongs to one validator of one network', () => {
    const tips = [
      chainOf('same', 5),
      chainOf('same', 5, ownerOf(1)),
      chainOf('same', 5, { ...owner, network: digestFrom<NetworkId>('other') }),
    ].map(({ commitment }) => toHex(commitment.tip));
    expect(new Set(tips).size).toBe(3);
  });

  test('does not show the secret, nor keep it', () => {
    const chain = chainOf('hidden', 3);
    expect(chain.kept.map(toHex)).not.toContain(toHex(digestFrom('hidden')));
    expect(nextReveal(chain, { tip: chain.kept[0]!, remaining: 0 })).toBe(undefined);
  });

  test('has 1 to 2^20 reveals, and an end of 32 bytes', () => {
    const tip = digestFrom('tip');
    for (const remaining of [0, -1, 1.5, Number.NaN, BEACON_CHAIN_LENGTH_MAX + 1]) {
      expectCode('INVALID_ARGUMENT', () => foundingContributor({ tip, remaining }));
      expectCode('INVALID_ARGUMENT', () => commitChain(undefined, { tip, remaining }, epoch(0)));
      expectCode('INVALID_ARGUMENT', () => chainOf('any', remaining));
    }
    const short = { tip: tip.subarray(1) as Digest, remaining: 1 };
    expectCode('INVALID_ARGUMENT', () => foundingContributor(short));
    expectCode('INVALID_ARGUMENT', () => commitChain(undefined, short, epoch(0)));
    foundingContributor({ tip, remaining: BEACON_CHAIN_LENGTH_MAX });
    expect(() => revealChain(owner, new Uint8Array(31), 1)).toThrow(AssertionError);
  });
});

describe('a reveal', () => {
  const links = twinLinks('secret', 10);
  const contributor = foundingContributor({ tip: links[10]!, remaining: 10 });

  test('is the next preimage, checked by one hash; it moves the chain on and changes the mix', () => {
    let hashes = 0;
    const counting: Sha256 = (...parts) => {
      hashes++;
      return nativeSha256(...parts);
    };
    const mix = digestFrom('mix');
    const result = contribute(owner, contributor, epoch(0), mix, links[9]!, counting);
    expect(result).toEqual({
      kind: 'revealed',
      mix: digest('beacon-mix', [mix, links[9]!]),
      contributor: { current: { tip: links[9], remaining: 9 }, pending: undefined },
    });
    // One to check it, one to mix it in.
    expect(hashes).toBe(2);
  });

  test('that is anything else is refused', () => {
    const flipped = links[9]!.slice();
    flipped[31]! ^= 1;
    const wrong: Uint8Array[] = [
      flipped,
      // Its own end, links out of turn, the secret.
      links[10]!,
      links[8]!,
      links[0]!,
      digestFrom('secret'),
      // Right bytes, wrong length.
      links[9]!.subarray(0, 31),
      new Uint8Array([...links[9]!, 0]),
      new Uint8Array(0),
    ];
    for (const reveal of wrong) {
      expect(contribute(owner, contributor, epoch(0), digestFrom('mix'), reveal)).toEqual({
        kind: 'refused',
        reason: 'not-the-next-preimage',
      });
    }
  });

  test('has 32 bytes even if its maker committed to the hash of more', () => {
    for (const long of [new Uint8Array(33), new Uint8Array(100_000), new Uint8Array(0)]) {
      const tip = digest('beacon-reveal', [network, owner.node, long]);
      expect(kindOf(foundingContributor({ tip, remaining: 1 }), 0, long)).toBe('refused');
    }
  });

  test('of one validator or network is refused from another, though it has committed to the same end', () => {
    for (const other of [ownerOf(1), { ...owner, network: digestFrom<NetworkId>('other') }]) {
      const result = contribute(other, contributor, epoch(0), digestFrom('mix'), links[9]!);
      expect(result.kind).toBe('refused');
    }
  });

  test('is refused a second time', () => {
    const { contributor: after } = accept(contributor, epoch(0), digestFrom('mix'), links[9]!);
    expect(kindOf(after, 0, links[9]!)).toBe('refused');
  });

  test('that was missed is still the next: any pattern of misses leads through the same links', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (pattern) => {
        let state = { contributor, mix: digestFrom<Digest>('mix') };
        let at = 10;
        let twinMix = state.mix;
        for (const isRevealed of pattern) {
          const reveal = isRevealed && at > 0 ? links[at - 1]! : null;
          const result = contribute(owner, state.contributor, epoch(0), state.mix, reveal, nativeSha256);
          if (reveal !== null) {
            twinMix = digest('beacon-mix', [twinMix, reveal]);
            at--;
          } else {
            expect(result).toEqual({ kind: at > 0 ? 'withheld' : 'excused' });
          }
          if (result.kind === 'revealed') state = result;
          expect(state.mix).toEqual(twinMix);
          expect(state.contributor.current).toEqual({ tip: links[at], remaining: at });
        }
      }),
    );
  });

  test('does not change with the buffer it came in', () => {
    const buffer = links[9]!.slice();
    const { contributor: after } = accept(contributor, epoch(0), digestFrom('mix'), buffer);
    buffer.fill(0);
    expect(after.current!.tip).toEqual(links[9]);
  });
});

describe('a commitment', () => {
  const old = twinLinks('old', 3);
  const fresh = twinLinks('fresh', 5);
  const commitment: ChainPosition = { tip: fresh[5]!, remaining: 5 };
  const member = foundingContributor({ tip: old[3]!, remaining: 3 });

  test('of a new validator counts from the next epoch on; until then it proposes without contributing', () => {
    const contributor = commitChain(undefined, commitment, epoch(7));
    expect(kindOf(contributor, 7, null)).toBe('excused');
    expect(kindOf(contributor, 7, fresh[4]!)).toBe('refused');
    expect(kindOf(contributor, 8, null)).toBe('withheld');
    expect(kindOf(contributor, 8, fresh[4]!)).toBe('revealed');
    // Nor does it matter that its first block comes much later.
    expect(kindOf(contributor, 1000, fresh[4]!)).toBe('revealed');
  });

  test('made anew after the chain is exhausted lets it contribute again an epoch later', () => {
    let contributor = member;
    let mix = digestFrom('mix');
    for (const index of [2, 1, 0]) ({ contributor, mix } = accept(contributor, epoch(7), mix, old[index]!));
    expect(kindOf(contributor, 7, null)).toBe('excused');
    expect(kindOf(contributor, 7, digestFrom('old'))).toBe('refused');
    contributor = commitChain(contributor, commitment, epoch(7));
    expect(kindOf(contributor, 7, null)).toBe('excused');
    expect(kindOf(contributor, 7, fresh[4]!)).toBe('refused');
    const { contributor: after } = accept(contributor, epoch(8), mix, fresh[4]!);
    expect(after).toEqual({ current: { tip: fresh[4], remaining: 4 }, pending: undefined });
  });

  test('made anew leaves the old chain in force for the rest of the epoch, so that it excuses from nothing', () => {
    const both = commitChain(member, commitment, epoch(7));
    expect(kindOf(both, 7, null)).toBe('withheld');
    expect(kindOf(both, 7, fresh[4]!)).toBe('refused');
    const { contributor: after } = accept(both, epoch(7), digestFrom('mix'), old[2]!);
    expect(after.current).toEqual({ tip: old[2], remaining: 2 });
    expect(kindOf(after, 8, old[1]!)).toBe('refused');
    expect(kindOf(after, 8, fresh[4]!)).toBe('revealed');
  });

  test('replaces a lost chain: withheld until the border, contributing after it', () => {
    const lost = commitChain(member, commitment, epoch(7));
    expect(kindOf(lost, 7, null)).toBe('withheld');
    expect(positionIn(lost, epoch(7))).toEqual(member.current);
    expect(positionIn(lost, epoch(8))).toEqual(commitment);
  });

  test('is the last of its epoch when there are several', () => {
    const other = twinLinks('other', 2);
    const twice = commitChain(
      commitChain(member, commitment, epoch(7)),
      { tip: other[2]!, remaining: 2 },
      epoch(7),
    );
    expect(kindOf(twice, 7, old[2]!)).toBe('revealed');
    expect(kindOf(twice, 8, fresh[4]!)).toBe('refused');
    expect(kindOf(twice, 8, other[1]!)).toBe('revealed');
  });

  test('made while another has come into force replaces that one, an epoch later', () => {
    const other = twinLinks('other', 2);
    const first = commitChain(member, commitment, epoch(7));
    const second = commitChain(first, { tip: other[2]!, remaining: 2 }, epoch(8));
    expect(kindOf(second, 8, fresh[4]!)).toBe('revealed');
    expect(kindOf(second, 8, old[2]!)).toBe('refused');
    expect(kindOf(second, 9, other[1]!)).toBe('revealed');
  });
});

test('whatever a validator does, the beacon takes exactly the next link of the chain in force', () => {
  type Act = { kind: 'reveal' | 'nothing' | 'commit' | 'border' | 'garbage'; key: number };
  const act: fc.Arbitrary<Act> = fc.record({
    kind: fc.constantFrom('reveal', 'reveal', 'nothing', 'commit', 'border', 'garbage'),
    key: fc.nat({ max: 5 }),
  });
  const library = Array.from({ length: 6 }, (_, index) => twinLinks(`chain ${index}`, index + 1));

  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      let contributor = foundingContributor({ tip: library[0]![1]!, remaining: 1 });
      let mix = digestFrom('mix');
      let now = 0;
      // The twin: links still to be shown, now and from the next epoch on.
      let links = library[0]!.slice(0, 1);
      let coming: Digest[] | undefined;
      for (const { kind, key } of acts) {
        if (kind === 'border') {
          now += 1 + (key % 2);
          links = coming ?? links;
          coming = undefined;
        } else if (kind === 'commit') {
          const tip = library[key]!.at(-1)!;
          contributor = commitChain(contributor, { tip, remaining: key + 1 }, epoch(now));
          coming = library[key]!.slice(0, -1);
        } else {
          const next = links.at(-1);
          const shown = kind === 'reveal' ? next : undefined;
          const reveal = kind === 'nothing' ? null : (shown ?? digestFrom(`garbage ${key}`));
          const result = contribute(owner, contributor, epoch(now), mix, reveal);
          if (kind === 'nothing') expect(result.kind).toBe(next === undefined ? 'excused' : 'withheld');
          else if (kind === 'garbage' || next === undefined) expect(result.kind).toBe('refused');
          else {
            expect(result).toMatchObject({ kind: 'revealed', mix: digest('beacon-mix', [mix, next]) });
            links = links.slice(0, -1);
          }
          if (result.kind === 'revealed') ({ contributor, mix } = result);
        }
        expect(positionIn(contributor, epoch(now))?.remaining).toBe(links.length);
      }
    }),
    { numRuns: 300 },
  );
});

describe('who holds the last k slots of an epoch', () => {
  /** Mixes that can be reached when each of `slots` (who proposes) may reveal or withhold. */
  function reachable(slots: readonly number[]): Set<string> {
    const chains = new Map(slots.map((index) => [index, chainOf('chain', 10, ownerOf(index))]));
    const start = new Map(
      [...chains].map(([index, chain]) => [index, foundingContributor(chain.commitment)]),
    );
    const out = new Set<string>();
    const walk = (at: number, mix: Digest, state: ReadonlyMap<number, Contributor>): void => {
      const index = slots[at];
      if (index === undefined) {
        out.add(toHex(mix));
        return;
      }
      walk(at + 1, mix, state);
      const contributor = state.get(index)!;
      const reveal = nextReveal(chains.get(index)!, contributor.current!, nativeSha256)!;
      const after = accept(contributor, epoch(0), mix, reveal, ownerOf(index));
      walk(at + 1, after.mix, new Map([...state, [index, after.contributor]]));
    };
    walk(0, foundingMix(network), start);
    return out;
  }

  test('chooses among k + 1 mixes if it is one validator', () => {
    for (let k = 0; k <= 7; k++) expect(reachable(Array.from({ length: k }, () => 0)).size).toBe(k + 1);
  });

  test('chooses among 2^k mixes at most if they are many', () => {
    for (let k = 0; k <= 7; k++)
      expect(reachable(Array.from({ length: k }, (_, index) => index)).size).toBe(2 ** k);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2 }), { maxLength: 7 }), (slots) => {
        const count = reachable(slots).size;
        expect(count).toBeLessThanOrEqual(2 ** slots.length);
        expect(count).toBeGreaterThanOrEqual(slots.length + 1);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a seed', () => {
  test('is another for each network, epoch and mix, and never the mix itself', () => {
    const mixes = [foundingMix(network), foundingMix(digestFrom<NetworkId>('other')), digestFrom('mix')];
    const seeds = new Set(mixes.map(toHex));
    for (const mix of mixes) {
      for (const each of [network, digestFrom<NetworkId>('other')]) {
        for (const number of [0, 1, 255, 256, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
          seeds.add(toHex(epochSeed(each, epoch(number), mix)));
          expect(epochSeed(each, epoch(number), mix, nativeSha256)).toEqual(
            epochSeed(each, epoch(number), mix),
          );
        }
      }
    }
    expect(seeds.size).toBe(3 + 3 * 2 * 7);
  });

  test('is of a counted epoch', () => {
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => epochSeed(network, epoch(wrong), digestFrom('mix'))).toThrow(AssertionError);
    }
  });
});

test('the set of an epoch is the stake two borders before it', () => {
  const stakeAt = (number: number) =>
    validatorSet([{ node: digestFrom<NodeId>('only'), power: BigInt(number + 1) }]);
  const genesis = validatorSet([{ node: digestFrom<NodeId>('founder'), power: 1n }]);
  let settled = { epoch: epoch(0), current: genesis, next: genesis };
  const used = [settled.current];
  for (let number = 0; number < 6; number++) {
    settled = crossBorder(settled, stakeAt(number));
    expect(settled.epoch).toBe(number + 1);
    used.push(settled.current);
  }
  expect(used).toEqual([genesis, genesis, stakeAt(0), stakeAt(1), stakeAt(2), stakeAt(3), stakeAt(4)]);
});
