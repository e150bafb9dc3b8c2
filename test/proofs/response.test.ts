import { describe, expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, NetworkId, NodeId } from '../../src/base/ids.ts';
import {
  AUDIT_PART_ASKED_MAX,
  AUDIT_PART_LENGTH_MAX,
  MANIFEST_LENGTH_MAX,
  SERVICE_HEADER_LENGTH_MAX,
} from '../../src/base/limits.ts';
import { signAdmission, verifyAdmission } from '../../src/proofs/admission.ts';
import type { Asked } from '../../src/proofs/draw.ts';
import type { Opening } from '../../src/proofs/opening.ts';
import { isCopy, placeOf } from '../../src/proofs/place.ts';
import {
  type AuditContext,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  judgeResponse,
  partsOf,
  type ResponsePart,
  signResponse,
} from '../../src/proofs/response.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { ALL_ASKED, CONTEXT, contentAt, contentOf, HOLDER, keyOf, object, open, SOME_ASKED } from './kit.ts';

const ADMITTED = SOME_ASKED[4]!;
const OPENED = SOME_ASKED.filter((asked) => asked !== ADMITTED);
const admitted = { place: ADMITTED.place, root: contentAt(ADMITTED.place).root };
const honest = (): ResponsePart => signResponse(CONTEXT, OPENED.map(open), [admitted], HOLDER);

const judge = (part: ResponsePart, context = CONTEXT, asked: readonly Asked[] = SOME_ASKED) =>
  judgeResponse(context, asked, part, contentOf, nativeVerify);

describe('a response', () => {
  test('shows what the node holds and what it admits', () => {
    expect(judge(honest())).toEqual({ held: OPENED, wrong: [], admitted: [ADMITTED] });
  });

  test('may leave out what the node could not get at in time', () => {
    const part = signResponse(CONTEXT, OPENED.slice(2, 4).map(open), [], HOLDER);
    expect(judge(part)).toEqual({ held: OPENED.slice(2, 4), wrong: [], admitted: [] });
    expect(judge(signResponse(CONTEXT, [], [], HOLDER))).toEqual({ held: [], wrong: [], admitted: [] });
  });

  test('of rotten bytes shows nothing of that place, and no more is wrong for it', () => {
    const opening = open(OPENED[3]!);
    const rotten: Opening = { ...opening, bytes: opening.bytes.with(5, opening.bytes[5]! ^ 1) };
    const part = signResponse(CONTEXT, [rotten, open(OPENED[5]!)], [], HOLDER);
    expect(judge(part)).toEqual({ held: [OPENED[5]], wrong: [OPENED[3]], admitted: [] });
  });

  test('of another round, seed, node or network is none', () => {
    const part = honest();
    const others: Partial<AuditContext>[] = [
      { round: 8 },
      { seed: digestFrom<Digest>('another seed') },
      { node: keyOf('another').publicKey as NodeId },
      { network: digestFrom<NetworkId>('another network') },
    ];
    for (const other of others) expect(judge(part, { ...CONTEXT, ...other })).toBeUndefined();
  });

  test('that a node relays of another is none, whichever name it puts on it', () => {
    const relay = keyOf('relay');
    const context = { ...CONTEXT, node: relay.publicKey as NodeId };
    expect(judge(honest(), context)).toBeUndefined();
    expect(judge(signResponse(context, OPENED.map(open), [], HOLDER), context)).toBeUndefined();
    expect(judge(signResponse(CONTEXT, OPENED.map(open), [], relay))).toBeUndefined();
  });

  test('with an opening changed, added, taken away or in another order is none', () => {
    const part = honest();
    const [first, second] = part.openings as [Opening, Opening];
    const changed: readonly Opening[][] = [
      part.openings.slice(1),
      [second, first, ...part.openings.slice(2)],
      [...part.openings, first],
      [open(ALL_ASKED.find((asked) => asked.place === second.place)!), ...part.openings.slice(1)],
    ];
    for (const openings of changed) expect(judge({ ...part, openings })).toBeUndefined();
  });

  test('with what nobody asked for is none', () => {
    expect(judge(honest(), CONTEXT, SOME_ASKED.slice(1))).toBeUndefined();
    const unasked = SOME_ASKED.filter((asked) => asked !== ADMITTED);
    expect(judge(honest(), CONTEXT, unasked)).toBeUndefined();
  });

  test('that opens and admits the same place is none', () => {
    const part = signResponse(CONTEXT, SOME_ASKED.map(open), [admitted], HOLDER);
    expect(judge(part)).toBeUndefined();
  });

  test('with an admission that the node did not sign is none', () => {
    const part = honest();
    const place = OPENED[2]!.place;
    const forged = [
      { place: ADMITTED.place, signature: part.signature },
      { place, signature: part.admissions[0]!.signature },
      { place, signature: signAdmission({ ...CONTEXT, place, root: contentAt(place).root }, keyOf('liar')) },
    ];
    for (const admission of forged) {
      const openings = part.openings.filter((opening) => opening.place !== admission.place);
      const resigned = signResponse(CONTEXT, openings, [], HOLDER);
      expect(judge({ ...resigned, admissions: [admission] })).toBeUndefined();
    }
    expect(judge({ ...part, admissions: [part.admissions[0]!, part.admissions[0]!] })).toBeUndefined();
  });

  test('comes back from its bytes, and so does a request', () => {
    expect(decodeResponse(encodeResponse(honest()))).toEqual(honest());
    const request = { round: 7, seed: CONTEXT.seed, asked: SOME_ASKED };
    expect(decodeRequest(encodeRequest(request))).toEqual(request);
    expect(() => decodeResponse(encodeResponse(honest()).subarray(1))).toThrow(StoreError);
  });
});

describe('an admission', () => {
  test('says nothing about another round, place or root: a node may get back what it had lost', () => {
    const said = { ...CONTEXT, ...admitted };
    const signature = signAdmission(said, HOLDER);
    const check = (other: Partial<typeof said>) =>
      verifyAdmission({ ...said, ...other }, signature, nativeVerify);
    expect(check({})).toBe(true);
    expect(check({ round: 8 })).toBe(false);
    expect(check({ place: OPENED[0]!.place })).toBe(false);
    expect(check({ root: digestFrom('other') })).toBe(false);
    expect(check({ node: keyOf('other').publicKey as NodeId })).toBe(false);
  });
});

describe('parts', () => {
  const many = Array.from({ length: 200 }, (_, index) => ({
    place: placeOf(object(index), 0, 0),
    leafIndex: 0,
  }));
  const copies = many
    .slice(0, 10)
    .map(({ place }) => ({ place: placeOf(place.object, null, 0), leafIndex: 0 }));

  test('hold what was asked, in order, as much as one request may ask for', () => {
    const parts = partsOf(many, () => ({ root: digestFrom('root'), lengthBytes: 5000 }));
    expect(parts.map((part) => part.length)).toEqual([64, 64, 64, 8]);
    expect(parts.flat()).toEqual(many);
    expect(partsOf([], contentOf)).toEqual([]);
    const full = encodeRequest({ round: 2 ** 32 - 1, seed: CONTEXT.seed, asked: longest });
    expect(full.length).toBeLessThan(SERVICE_HEADER_LENGTH_MAX);
  });

  const longest = Array.from({ length: AUDIT_PART_ASKED_MAX }, () => ({
    place: placeOf(object(0), 2 ** 23 - 1, 254),
    leafIndex: 65_599,
  }));

  test('with long copies hold fewer, and the answer to each fits', () => {
    for (const lengthBytes of [0, 1000, 1_500_000, MANIFEST_LENGTH_MAX]) {
      const all = [...many.slice(0, 70), ...copies];
      const parts = partsOf(all, ({ segmentIndex }) => ({
        root: digestFrom('root'),
        lengthBytes: segmentIndex === 0 ? 1024 : lengthBytes,
      }));
      expect(parts.flat()).toEqual(all);
      for (const part of parts) {
        const openings = part.map((asked): Opening => {
          const bytes = new Uint8Array(isCopy(asked.place) ? lengthBytes : 1024);
          const path = isCopy(asked.place) ? [] : Array.from({ length: 17 }, () => digestFrom('sibling'));
          return { ...asked, bytes, path };
        });
        const length = encodeResponse({ openings, admissions: [], signature: honest().signature }).length;
        expect(length).toBeLessThanOrEqual(AUDIT_PART_LENGTH_MAX);
      }
    }
  });
});
