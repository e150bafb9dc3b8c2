// `test/vectors/proofs.json`: made by a second implementation from docs/format-proofs.md. In the file bytes are hex digits.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { signAnchor } from '../../src/proofs/anchor.ts';
import { contradiction, encodeContradiction } from '../../src/proofs/contradiction.ts';
import { type Asked, drawAsked } from '../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../src/proofs/memory-holdings.ts';
import { decodeOpening, encodeOpening, openingDigest } from '../../src/proofs/opening.ts';
import { type Place, placeBytes, placeHash, placeSchema } from '../../src/proofs/place.ts';
import { encodeReceipt, receiptText, signReceipt } from '../../src/proofs/receipt.ts';
import { encodeRequest, encodeResponse, signResponse } from '../../src/proofs/response.ts';
import {
  countsOf,
  encodeResultProof,
  proveResult,
  resultDigests,
  resultTree,
  VERDICTS,
} from '../../src/proofs/results.ts';
import { encodeShown, showOpening } from '../../src/proofs/shown.ts';
import { digestFrom } from '../helpers/records.ts';
import { AUDITOR, CONTEXT, HOLDER } from './kit.ts';

interface Vectors {
  readonly held: readonly [place: string, weight: number][];
  readonly places: readonly { readonly place: string; readonly hash: string }[];
  readonly draws: readonly {
    readonly round: number;
    readonly leaves: number;
    readonly sweepRounds: number;
    readonly held: number;
    readonly asked: readonly [place: string, leaf: number][];
  }[];
  readonly openings: readonly string[];
  readonly openingDigests: readonly string[];
  readonly request: string;
  readonly response: string;
  readonly shown: string;
  readonly receipt: string;
  readonly results: readonly [place: string, leaf: number, verdict: number][];
  readonly resultsRoot: string;
  readonly counts: readonly [asked: number, failed: number, heldKib: number][];
  readonly anchorSignature: string;
  readonly resultProof: string;
  readonly contradiction: string;
}

const file = new URL('../vectors/proofs.json', import.meta.url);
const VECTORS = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
const { network, round, node } = CONTEXT;

const placeFrom = (hex: string): Place => placeSchema.parse(Uint8Array.from(fromHex(hex)));
const held = VECTORS.held.map(([place, weight]) => ({ place: placeFrom(place), weight }));
const openings = VECTORS.openings.map((bytes) => decodeOpening(fromHex(bytes)));
const part = signResponse(CONTEXT, openings, [{ place: held[3]!.place, root: digestFrom('root') }], HOLDER);
const findings = VECTORS.results.map(([place, leafIndex, verdict]) => ({
  asked: { place: placeFrom(place), leafIndex },
  verdict: VERDICTS[verdict]!,
}));
const group = [{ node, heldKib: 70_000, findings }];
const listed: readonly Asked[] = findings
  .filter(({ verdict }) => verdict !== 'moved')
  .map(({ asked }) => asked);
const receipt = {
  round,
  held: listed,
  signature: signReceipt(receiptText(network, round, node, listed), AUDITOR),
};
const failed = proveResult(
  round,
  group,
  findings.findIndex(({ verdict }) => verdict === 'failed'),
)!;

test('places lie where they did when they were frozen', () => {
  for (const { place, hash } of VECTORS.places) expect(placeHash(placeFrom(place))).toBe(BigInt(hash));
});

test('draws ask for what they asked for', () => {
  for (const { round: of, leaves, sweepRounds, held: count, asked } of VECTORS.draws) {
    const holdings = new MemoryHoldings(held.slice(-count));
    const drawn = drawAsked({ round: of, seed: CONTEXT.seed }, node, holdings, { leaves, sweepRounds });
    expect(drawn.map(({ place, leafIndex }) => [toHex(placeBytes(place)), leafIndex])).toEqual(asked);
  }
});

test('openings, requests and responses have their bytes', () => {
  expect(openings.map((opening) => toHex(encodeOpening(opening)))).toEqual(VECTORS.openings);
  expect(openings.map((opening) => toHex(openingDigest(opening)))).toEqual(VECTORS.openingDigests);
  const asked = [...openings, { place: held[3]!.place, leafIndex: 2 }];
  expect(toHex(encodeRequest({ round, seed: CONTEXT.seed, asked }))).toBe(VECTORS.request);
  expect(toHex(encodeResponse(part))).toBe(VECTORS.response);
  expect(toHex(encodeShown(showOpening(part, 1)))).toBe(VECTORS.shown);
});

test('receipts, results and anchors have their bytes', () => {
  expect(toHex(encodeReceipt(receipt))).toBe(VECTORS.receipt);
  const tree = resultTree(resultDigests(round, group));
  expect(toHex(tree.root)).toBe(VECTORS.resultsRoot);
  const counts = group.map(countsOf);
  expect(counts.map(({ asked, failed: lost, heldKib }) => [asked, lost, heldKib])).toEqual(VECTORS.counts);
  expect(toHex(signAnchor({ network, round, group: 4, ...tree, counts }, AUDITOR))).toBe(
    VECTORS.anchorSignature,
  );
  expect(toHex(encodeResultProof(failed))).toBe(VECTORS.resultProof);
  const evidence = contradiction({ group: 4, auditor: 2 }, receipt, failed)!;
  expect(toHex(encodeContradiction(evidence))).toBe(VECTORS.contradiction);
});
