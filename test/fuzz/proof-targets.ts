// What auditors and nodes send each other, from the frozen vectors: decoded, and then judged as a receiver would.

import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/base/bytes.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { decodeContradiction, isContradiction } from '../../src/proofs/contradiction.ts';
import { decodeOpening, verifyOpening } from '../../src/proofs/opening.ts';
import { decodeReceipt, receiptText } from '../../src/proofs/receipt.ts';
import { decodeRequest, decodeResponse, judgeResponse, partsOf } from '../../src/proofs/response.ts';
import { decodeResultProof, verifyResult } from '../../src/proofs/results.ts';
import { decodeShown, verifyShown } from '../../src/proofs/shown.ts';
import { AUDITOR, CONTEXT } from '../proofs/kit.ts';

const file = new URL('../vectors/proofs.json', import.meta.url);
const frozen = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, string>> & {
  readonly openings: readonly string[];
};
const sample = (name: string): Uint8Array[] => [fromHex(frozen[name]!)];

const content = { root: CONTEXT.seed, lengthBytes: 65_600 * 1024 };
const tree = { root: CONTEXT.seed, count: 3 };
const contentOf = () => content;
const request = decodeRequest(fromHex(frozen['request']!));
const never = () => false;
const always = () => true;

interface Target {
  readonly samples: readonly Uint8Array[];
  run(bytes: Uint8Array): void;
}

export const PROOF_TARGETS: Readonly<Record<string, Target>> = {
  opening: {
    samples: frozen.openings.map(fromHex),
    run: (bytes) => void verifyOpening(decodeOpening(bytes), content),
  },
  'audit-request': {
    samples: sample('request'),
    run: (bytes) => void partsOf(decodeRequest(bytes).asked, contentOf),
  },
  // Every signature is taken for good, so that what is behind them is reached.
  'audit-response': {
    samples: sample('response'),
    run: (bytes) => void judgeResponse(CONTEXT, request.asked, decodeResponse(bytes), contentOf, always),
  },
  'shown-opening': {
    samples: sample('shown'),
    run: (bytes) => void verifyShown(CONTEXT, decodeShown(bytes), content, always),
  },
  'audit-receipt': {
    samples: sample('receipt'),
    run: (bytes) => {
      const { round, held } = decodeReceipt(bytes);
      receiptText(CONTEXT.network, round, CONTEXT.node, held);
    },
  },
  'result-proof': {
    samples: sample('resultProof'),
    run: (bytes) => void verifyResult(tree, 7, decodeResultProof(bytes)),
  },
  contradiction: {
    samples: sample('contradiction'),
    run: (bytes) => {
      const auditor = AUDITOR.publicKey as NodeId;
      isContradiction(decodeContradiction(bytes), CONTEXT.network, tree, auditor, never);
    },
  },
};
