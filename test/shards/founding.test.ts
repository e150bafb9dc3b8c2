import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { decodeCanonical, encode } from '../../src/base/codec.ts';
import { encodeEpoch, signEpoch } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, OwnerId, Signature } from '../../src/base/ids.ts';
import { FOUNDING_LENGTH_MAX } from '../../src/base/limits.ts';
import type { ChainPosition } from '../../src/consensus/beacon.ts';
import { accountOf } from '../../src/shards/account.ts';
import { epochStateOf } from '../../src/shards/epoch-state.ts';
import {
  type ChainPart,
  decodeFounding,
  encodeFounding,
  firstHead,
  type FoundingDocument,
  foundingId,
  foundState,
  signFounding,
} from '../../src/shards/founding.ts';
import { writeGenesis } from '../../src/shards/genesis-state.ts';
import { DEFAULT_PARAMETERS } from '../../src/shards/parameters.ts';
import { supplyOf } from '../../src/shards/supply.ts';
import { contributorOf } from '../../src/shards/turns.ts';
import { settledEntries } from '../../src/shards/validator-sets.ts';
import { Overlay } from '../../src/shards/view.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom, sampleEpoch, sampleGenesis, sampleMembers, signerFrom } from '../helpers/records.ts';

const genesisSigner = signerFrom('genesis of sample');
const accountNamed = (name: string): OwnerId => digestFrom<OwnerId>(`account ${name}`);

const members = sampleMembers(3);
const SIGNED = signEpoch(sampleGenesis(), sampleEpoch(members), genesisSigner);
const NETWORK = SIGNED.record.network;

const PART: ChainPart = {
  parameters: DEFAULT_PARAMETERS,
  operators: members.map(({ operator }) => [operator, accountNamed(operator)]),
  balances: [
    [accountNamed('alice'), [[0, 5_000_000_000n]]],
    [accountNamed('bob'), [[0, 7n]]],
  ],
  chains: members
    .slice(0, 2)
    .map(({ node }, index) => [node, { tip: digestFrom(`tip ${index}`), remaining: 16_384 }]),
};
const DOCUMENT = signFounding(SIGNED, PART, genesisSigner);

const decode = (bytes: Uint8Array): FoundingDocument => decodeFounding(bytes, NETWORK, nativeVerify);

const anything: z.ZodType<unknown> = z.unknown();
/** The document with another value at one place, signatures left as they were or made anew. */
function edited(change: (tuple: unknown[]) => void): Uint8Array {
  const tuple = decodeCanonical(anything, encodeFounding(DOCUMENT), FOUNDING_LENGTH_MAX, 'it') as unknown[];
  change(tuple);
  return encode(tuple);
}

/** Signed by the genesis key as it is, whatever `signFounding` would say of it. */
function resigned(changes: Partial<FoundingDocument>): Uint8Array {
  const document = { ...DOCUMENT, ...changes };
  let covered: Uint8Array | undefined;
  // The bytes that a verifier of this very document asks about.
  expectCode('INVALID_SIGNATURE', () =>
    decodeFounding(
      encodeFounding({ ...document, signature: new Uint8Array(64) as Signature }),
      NETWORK,
      (key, bytes, signature) => {
        if (signature.some((byte) => byte !== 0)) return nativeVerify(key, bytes, signature);
        covered = bytes;
        return false;
      },
    ),
  );
  return encodeFounding({ ...document, signature: genesisSigner.sign(covered!) });
}

describe('a founding document', () => {
  test('is its bytes, for ever', () => {
    const frozen = JSON.parse(
      readFileSync(new URL('../vectors/founding.json', import.meta.url), 'utf8'),
    ) as Record<string, string>;
    expect({
      document: toHex(encodeFounding(DOCUMENT)),
      id: toHex(foundingId(DOCUMENT)),
    }).toEqual(frozen);
    expect(decode(fromHex(frozen['document']!))).toEqual(DOCUMENT);
  });

  test('has one form, whatever the order of its parts was', () => {
    const mixed = {
      ...PART,
      operators: PART.operators.toReversed(),
      balances: PART.balances.toReversed(),
      chains: PART.chains.toReversed(),
      parameters: { ...PART.parameters, storage: { ...PART.parameters.storage, isTrial: true } },
    };
    expect(encodeFounding(signFounding(SIGNED, mixed, genesisSigner))).toEqual(encodeFounding(DOCUMENT));
  });

  test('with any byte changed is refused', () => {
    const bytes = encodeFounding(DOCUMENT);
    const codes = new Set<string>();
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 32]) {
        const changed = bytes.slice();
        changed[at]! ^= bit;
        try {
          decode(changed);
          expect.unreachable(`bit ${bit} of byte ${at}`);
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          codes.add(error.code);
        }
      }
    }
    expect([...codes].sort()).toEqual(['INVALID_ENCODING', 'INVALID_SIGNATURE', 'WRONG_NETWORK']);
  });

  test('cut off, continued, too long or of another network is refused', () => {
    const bytes = encodeFounding(DOCUMENT);
    for (let length = 0; length < bytes.length; length += 7) {
      expectCode('INVALID_ENCODING', () => decode(bytes.slice(0, length)));
    }
    expectCode('INVALID_ENCODING', () => decode(new Uint8Array([...bytes, 0])));
    expectCode('INVALID_ENCODING', () => decode(new Uint8Array(FOUNDING_LENGTH_MAX + 1)));
    expectCode('WRONG_NETWORK', () => decodeFounding(bytes, digestFrom<NetworkId>('another'), nativeVerify));
  });

  test('binds the chain part to its record: parts of two foundings by one key cannot be mixed', () => {
    const other = { ...sampleEpoch(members), seed: digestFrom('another seed') };
    const elsewhere = signFounding(signEpoch(sampleGenesis(), other, genesisSigner), PART, genesisSigner);
    const epoch = encodeEpoch(elsewhere.signed);
    expectCode('INVALID_SIGNATURE', () => decode(edited((tuple) => (tuple[0] = epoch))));
    expect(foundingId(elsewhere)).not.toEqual(foundingId(DOCUMENT));
  });

  test('has an id that every part of it changes, and signing again does not', () => {
    const ids = [
      DOCUMENT,
      signFounding(SIGNED, { ...PART, parameters: { ...PART.parameters, epochBlocks: 7200 } }, genesisSigner),
      signFounding(SIGNED, { ...PART, balances: [] }, genesisSigner),
      signFounding(SIGNED, { ...PART, chains: [] }, genesisSigner),
      signFounding(
        SIGNED,
        { ...PART, operators: PART.operators.map(([name]) => [name, accountNamed('one for all')]) },
        genesisSigner,
      ),
    ].map((document) => toHex(foundingId(document)));
    expect(new Set(ids).size).toBe(ids.length);
    const signature = digestFrom('other randomness').slice() as Uint8Array as Signature;
    expect(toHex(foundingId({ ...DOCUMENT, signature }))).toBe(ids[0]);
  });

  test('that the genesis key signed in another form is refused all the same', () => {
    const [first, second] = PART.balances;
    const storage = { ...DOCUMENT.parameters.storage, shardMembersMin: 3 };
    const laterRecord = { ...sampleEpoch(members), epoch: 1 as Epoch };
    const changes: readonly Partial<FoundingDocument>[] = [
      { operators: DOCUMENT.operators.toReversed() },
      { operators: [DOCUMENT.operators[0]!, ...DOCUMENT.operators] },
      { balances: DOCUMENT.balances.toReversed() },
      { balances: [first!, first!, second!] },
      { balances: [[accountNamed('nothing'), []]] },
      { chains: DOCUMENT.chains.toReversed() },
      { chains: [[members[0]!.node, { tip: digestFrom('tip'), remaining: 0 }]] },
      { parameters: { ...DOCUMENT.parameters, storage } },
      { signed: signEpoch(sampleGenesis(), laterRecord, genesisSigner) },
    ];
    for (const change of changes) expectCode('INVALID_ENCODING', () => decode(resigned(change)));
    expect(decode(resigned({}))).toEqual(DOCUMENT);
  });
});

describe('founding', () => {
  const off = (
    changes: Partial<ChainPart>,
    code: 'INVALID_CONFIG' | 'INVALID_ENCODING' = 'INVALID_CONFIG',
  ): void => {
    expectCode(code, () => signFounding(SIGNED, { ...PART, ...changes }, genesisSigner));
  };

  test('is refused when the parts do not fit together', () => {
    const position: ChainPosition = { tip: digestFrom('tip'), remaining: 5 };
    off({ operators: PART.operators.slice(1) });
    off({ parameters: { ...PART.parameters, epochBlocks: 1 } });
    off({ balances: [[accountNamed('rich'), [[0, 2n ** 60n]]]] });
    off({ chains: [[digestFrom<NodeId>('nobody'), position]] });
    off({ parameters: { ...PART.parameters, stake: { ...PART.parameters.stake, validatorMin: 101n } } });
    const later = signEpoch(sampleGenesis(), { ...sampleEpoch(members), epoch: 1 as Epoch }, genesisSigner);
    expectCode('INVALID_CONFIG', () => signFounding(later, PART, genesisSigner));
  });

  test('gives nobody capacity or an asset that there is not', () => {
    off({ balances: [[accountNamed('alice'), [[1, 5n]]]] });
    off({ balances: [[accountNamed('alice'), [[2, 5n]]]] });
  });

  test('is refused when something stands twice or a chain is none', () => {
    off(
      { operators: [...PART.operators, [members[0]!.operator, accountNamed('second')]] },
      'INVALID_ENCODING',
    );
    off({ balances: [...PART.balances, PART.balances[0]!] }, 'INVALID_ENCODING');
    off({ chains: [...PART.chains, PART.chains[0]!] }, 'INVALID_ENCODING');
    for (const remaining of [0, -1, 2 ** 21]) {
      const chains: ChainPart['chains'] = [[members[0]!.node, { tip: digestFrom('tip'), remaining }]];
      expectCode('INVALID_ARGUMENT', () => signFounding(SIGNED, { ...PART, chains }, genesisSigner));
    }
  });

  test('makes the state that the rules of genesis write', () => {
    const state = stateOf(DOCUMENT);
    const twin = new Overlay({ read: () => null });
    const { record, genesis } = SIGNED;
    const operators = new Map(PART.operators);
    writeGenesis(twin, { ...PART, record, createdAtMs: genesis.createdAtMs, operators });
    expect(foundState(DOCUMENT)).toEqual(twin.changes());
    expect(foundState(DOCUMENT, nativeSha256)).toEqual(twin.changes());
    expect(epochStateOf(state).lengthBlocks).toBe(DEFAULT_PARAMETERS.epochBlocks);
    expect(accountOf(state, accountNamed('bob')).balances).toEqual([[0, 7n]]);
    expect(supplyOf(state).total).toEqual([[0, 5_000_000_307n]]);
    expect(contributorOf(state, PART.chains[0]![0])?.current).toEqual(PART.chains[0]![1]);
    expect(contributorOf(state, members[2]!.node)).toBeUndefined();
    expect(settledEntries(state, 0 as Epoch)).toHaveLength(3);
  });

  test('of one member works', () => {
    const one = signEpoch(sampleGenesis(), sampleEpoch(members.slice(0, 1)), genesisSigner);
    const part = {
      ...PART,
      operators: PART.operators.slice(0, 1),
      balances: [],
      chains: PART.chains.slice(0, 1),
    };
    const document = signFounding(one, part, genesisSigner);
    expect(decode(encodeFounding(document))).toEqual(document);
    expect(settledEntries(stateOf(document), 0 as Epoch)).toHaveLength(1);
  });

  test('gives the first block its parent', () => {
    expect(firstHead(DOCUMENT)).toEqual({
      height: 0,
      id: foundingId(DOCUMENT),
      timeMs: sampleGenesis().createdAtMs,
      shardBits: 0,
    });
    expect(firstHead(DOCUMENT, nativeSha256)).toEqual(firstHead(DOCUMENT));
  });
});

const id = <T extends Uint8Array>(): fc.Arbitrary<T> =>
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes as T);

test('every founding that is made is read back as it was, and always makes the same state', () => {
  const founding = fc.record({
    count: fc.integer({ min: 1, max: 6 }),
    stake: fc.bigInt({ min: 1n, max: 2n ** 40n }),
    operators: fc.array(id<OwnerId>(), { minLength: 6, maxLength: 6 }),
    balances: fc.uniqueArray(fc.tuple(id<OwnerId>(), fc.bigInt({ min: 1n, max: 2n ** 50n })), {
      maxLength: 5,
      selector: ([owner]) => toHex(owner),
    }),
    tips: fc.array(fc.tuple(id<Digest>(), fc.integer({ min: 1, max: 2 ** 20 })), { maxLength: 6 }),
    epochBlocks: fc.integer({ min: 2, max: 86_400 }),
    isTrial: fc.boolean(),
  });
  fc.assert(
    fc.property(founding, ({ count, stake, operators, balances, tips, epochBlocks, isTrial }) => {
      const crowd = sampleMembers(count, { stake: stake as (typeof members)[number]['stake'] });
      const signed = signEpoch(sampleGenesis(), sampleEpoch(crowd, { isTrial }), genesisSigner);
      const part: ChainPart = {
        parameters: {
          ...DEFAULT_PARAMETERS,
          epochBlocks,
          evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks: epochBlocks },
        },
        operators: crowd.map(({ operator }, index) => [operator, operators[index]!]),
        balances: balances.map(([owner, amount]) => [owner, [[0, amount]]]),
        chains: crowd.slice(0, tips.length).map(({ node }, index) => {
          const [tip, remaining] = tips[index]!;
          return [node, { tip, remaining }];
        }),
      };
      const document = signFounding(signed, part, genesisSigner, nativeSha256);
      const read = decode(encodeFounding(document));
      expect(read).toEqual(document);
      expect(foundingId(read)).toEqual(foundingId(document));
      expect(foundState(read, nativeSha256)).toEqual(foundState(document, nativeSha256));
      expect(read.operators.map(([name]) => name)).toEqual(
        crowd.map(({ operator }): OperatorId => operator).sort(),
      );
    }),
    { numRuns: 25 },
  );
});

function stateOf(document: FoundingDocument): Overlay {
  const records = new Map(foundState(document).map(({ key, after }) => [key.text, after]));
  return new Overlay({ read: (key) => records.get(key.text) ?? null });
}
