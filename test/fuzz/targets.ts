// One target per decoder of hostile bytes: a plain function of bytes that may throw StoreErrors and nothing else. Each
// comes with good samples, so that mutation starts from something deep. Driven by the smoke test and by `npm run fuzz`.

import { concat, fromHex, toUtf8 } from '../../src/base/bytes.ts';
import { scanCbor } from '../../src/base/cbor-scan.ts';
import { parseCid } from '../../src/base/cid.ts';
import { decodeEpoch, encodeEpoch, networkIdOf, signEpoch } from '../../src/base/epoch.ts';
import type {
  ContentKey,
  Digest,
  NodeId,
  ObjectId,
  OwnerId,
  PieceRoot,
  Signature,
} from '../../src/base/ids.ts';
import {
  emptyGuardFile,
  GUARD_FILE_LENGTH,
  GUARD_STATE_LENGTH,
  readGuard,
} from '../../src/consensus/signer-guard.ts';
import type { BlockId, Input } from '../../src/consensus/types.ts';
import { encodeWalHeader, encodeWalRecord, readWal, walStart } from '../../src/consensus/wal.ts';
import { decodeInput, encodeInput } from '../../src/consensus/wal-input.ts';
import { formatUri, splitUri } from '../../src/client/uri.ts';
import { decodeEvidence, verifyEvidence } from '../../src/consensus/evidence.ts';
import { decodeMessage } from '../../src/consensus/messages.ts';
import { verifyMessage } from '../../src/consensus/verify.ts';
import { checkRecord, objectKey, signRecord } from '../../src/dht/record.ts';
import { formatInvitation, parseInvitation } from '../../src/node/invitation.ts';
import { decodeManifest, decodePage, encodeManifest, encodePage } from '../../src/replication/manifest.ts';
import * as messages from '../../src/replication/messages.ts';
import { decodeDer, encodeDer, encodeTime, TAG } from '../../src/runtime/bulk/der.ts';
import { decodeHello, encodeHello } from '../../src/runtime/bulk/frame.ts';
import { chunkProblem, decodeChunk } from '../../src/shards/tree/chunk.ts';
import { decodeNode, decodeTree } from '../../src/shards/tree/node.ts';
import { decodeNodeKey, nodeKey } from '../../src/shards/tree/node-key.ts';
import { WHOLE } from '../../src/shards/tree/path.ts';
import { checkProof, decodeProof } from '../../src/shards/tree/proof.ts';
import { decodeBlock } from '../../src/shards/block.ts';
import { decodeHeader, decodeShardHeader } from '../../src/shards/header.ts';
import { decodeReclaim } from '../../src/shards/inbox.ts';
import { decodeParcel, isProved } from '../../src/shards/parcel.ts';
import { decodeReceipt, encodeReceipt } from '../../src/shards/receipts.ts';
import { decodeTransaction, encodeTransaction } from '../../src/shards/transaction.ts';
import { decodePage as decodeDirectoryPage } from '../../src/shards/directory/page.ts';
import { decodeEntry } from '../../src/shards/name-entry.ts';
import { objectRecord } from '../../src/shards/object-record.ts';
import { segmentsRecord } from '../../src/shards/segments.ts';
import { decodeCanonical } from '../../src/base/codec.ts';
import { STATE_RECORD_LENGTH_MAX } from '../../src/base/limits.ts';
import { STORAGE_KINDS, STORAGE_SAMPLES, STORAGE_TRANSACTIONS } from '../shards/storage-samples.ts';
import { LEDGER } from '../shards/ledger-vectors.ts';
import { fastSha256, KINDS } from '../shards/kinds.ts';
import { VECTOR_SET, VECTORS } from '../consensus/vectors.ts';
import { digestFrom, sampleEpoch, sampleGenesis, sampleMembers, signerFrom } from '../helpers/records.ts';
import { FROZEN, pathOf } from '../shards/tree/twin.ts';
import { liveThrough } from './engine.ts';
import { PROOF_TARGETS } from './proof-targets.ts';

export interface FuzzTarget {
  readonly samples: readonly Uint8Array[];
  run(bytes: Uint8Array): void;
}

const genesis = sampleGenesis();
const network = networkIdOf(genesis);
const owner = digestFrom<OwnerId>('owner');
const object = digestFrom<ObjectId>('object');
const root = digestFrom<PieceRoot>('root');
const salt = digestFrom('salt').subarray(0, 16);
const ticket = new Uint8Array(64).fill(7) as Signature;
const text = new TextDecoder();

const manifest = encodeManifest({
  network,
  owner,
  salt,
  lengthBytes: 100_000,
  code: { k: 3, n: 7 },
  segmentCells: 256,
  keyCheck: salt,
  content: { kind: 'paged', segmentCount: 1, pages: [digestFrom<Digest>('page')] },
});
const page = encodePage({
  object,
  firstSegment: 0,
  segments: [
    {
      salt,
      roots: [root, root],
      holders: [digestFrom<NodeId>('a'), digestFrom<NodeId>('b')],
      confirmations: [{ pieceIndex: 0, signature: ticket }],
    },
  ],
});

const invitation = formatInvitation({
  network,
  name: 'sample',
  addresses: ['/ip4/10.0.0.1/tcp/4002/tls'],
  tokens: 100n,
  secret: salt,
});

const border = {
  network: VECTORS.network,
  height: 7,
  round: 1,
  startOf: () => ({ validators: VECTOR_SET, proposers: { firstHeight: 0, slots: [0, 1, 2, 3] } }),
  verify: () => true,
};

/** A log in which a sync ended before each record, so that most of its damage shows. */
const walInputs: readonly Input[] = [
  {
    kind: 'start-height',
    start: {
      height: 5,
      validators: VECTOR_SET,
      proposers: { firstHeight: 1, slots: [0, 1] },
      self: undefined,
    },
  },
  { kind: 'value', height: 5, round: 0, blockId: 'aa'.repeat(32) as BlockId },
  { kind: 'verdict', height: 5, blockId: 'aa'.repeat(32) as BlockId, isValid: true },
  { kind: 'timeout', timeout: 'prevote', height: 5, round: 0 },
];
const walOwner = { network, node: owner as Uint8Array as NodeId };
const walHeader = encodeWalHeader({ ...walOwner, height: 5, salt });
const walLog = walInputs.reduce(
  (log, input, sequence) =>
    concat(log, encodeWalRecord(input, { ...walStart(walHeader, 5), sequence }, log.length)),
  walHeader,
);
const guardPage = emptyGuardFile(walOwner).subarray(0, GUARD_STATE_LENGTH);

const stateHead = { prefix: WHOLE, digest: digestFrom<Digest>('state') };
/** Nodes that stand at the top of all paths: the byte behind the version says so. */
const topNodes = FROZEN.flatMap(({ nodes }) => nodes.filter(({ key }) => key.slice(16) === '80'));

export const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  cbor: { samples: [manifest, page], run: (bytes) => void scanCbor(bytes) },
  manifest: { samples: [manifest], run: (bytes) => void decodeManifest(bytes) },
  page: { samples: [page], run: (bytes) => void decodePage(bytes) },
  epoch: {
    samples: [
      encodeEpoch(signEpoch(genesis, sampleEpoch(sampleMembers(3)), signerFrom('genesis of sample'))),
    ],
    // Signatures are not the decoder's business here: everything passes, so that what lies behind is reached.
    run: (bytes) => void decodeEpoch(bytes, network, () => true),
  },
  'put-piece': {
    samples: [
      messages.encodePutPiece({
        owner,
        objectSalt: salt,
        segmentIndex: 1,
        pieceIndex: 2,
        root,
        lengthBytes: 3,
        expiresAtMs: 4,
        ticket,
      }),
    ],
    run: (bytes) => void messages.decodePutPiece(bytes),
  },
  'get-piece': {
    samples: [
      messages.encodeGetPiece({
        object,
        segmentIndex: 1,
        pieceIndex: 2,
        root,
        range: { offset: 1, length: 2 },
      }),
    ],
    run: (bytes) => void messages.decodeGetPiece(bytes),
  },
  'locate-record': {
    samples: [messages.encodeLocateRecord(digestFrom<Digest>('manifest'))],
    run: (bytes) => void messages.decodeLocateRecord(bytes),
  },
  locations: {
    samples: [
      messages.encodeLocations([
        signRecord(
          {
            kind: 'object',
            network,
            node: signerFrom('node 0').publicKey as NodeId,
            sequence: 1,
            expiresAtMs: 2,
            object: digestFrom<Digest>('manifest'),
          },
          signerFrom('node 0'),
        ),
      ]),
    ],
    // What a reader does with each: the clock stands before its expiry, every signature passes, so that what lies behind is reached.
    run: (bytes) => {
      const rules = { network, verify: () => true, isMember: () => true };
      const key = objectKey(digestFrom<Digest>('manifest'));
      for (const record of messages.decodeLocations(bytes)) void checkRecord(key, record, rules, 1);
    },
  },
  members: {
    samples: [messages.encodeMembersReply({ nodeRecords: [salt] })],
    run: (bytes) => void messages.decodeMembersReply(bytes),
  },
  cid: {
    samples: [toUtf8('bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5kpqcsgz7soitae')],
    run: (bytes) => void parseCid(text.decode(bytes)),
  },
  uri: {
    samples: [toUtf8(formatUri(digestFrom<Digest>('manifest'), network, digestFrom<ContentKey>('key')))],
    run: (bytes) => void splitUri(text.decode(bytes)),
  },
  invitation: {
    samples: [toUtf8(invitation)],
    run: (bytes) => void parseInvitation(text.decode(bytes)),
  },
  'bulk-hello': {
    samples: [encodeHello({ network, proof: digestFrom('proof') })],
    run: (bytes) => void decodeHello(bytes),
  },
  certificate: {
    samples: [encodeDer(TAG.sequence, encodeDer(TAG.sequence, encodeTime(0)), encodeDer(TAG.integer, salt))],
    run: (bytes) => decodeDer(bytes).forEach(({ content }) => void decodeDer(content)),
  },
  'consensus-message': {
    samples: VECTORS.messages.map(({ encoded }) => encoded),
    // Then as the border does, every signature passing, so that what lies behind is reached.
    run: (bytes) => void verifyMessage(border, decodeMessage(bytes)),
  },
  'consensus-evidence': {
    samples: VECTORS.evidence.map(({ encoded }) => encoded),
    run: (bytes) => void verifyEvidence(VECTORS.network, VECTOR_SET, decodeEvidence(bytes), () => true),
  },
  // Not a decoder: bytes as inputs of the engine. Nothing is refused there, and nothing may be thrown.
  engine: {
    samples: [Uint8Array.from({ length: 256 }, (_, index) => (index * 37) % 251)],
    run: liveThrough,
  },
  wal: {
    samples: [walLog],
    run: (bytes) => void readWal(bytes, walOwner, 'wal'),
  },
  // Behind the checksum of a record of the log.
  'wal-input': {
    samples: walInputs.map(encodeInput),
    run: (bytes) => void decodeInput(bytes),
  },
  // One page of four, so that no other stands in for it.
  guard: {
    samples: [guardPage],
    run: (bytes) => {
      const file = new Uint8Array(GUARD_FILE_LENGTH);
      file.set(bytes.subarray(0, GUARD_FILE_LENGTH));
      void readGuard(file, walOwner, 'guard');
    },
  },
  'state-proof': {
    samples: FROZEN.flatMap(({ proofs }) => proofs.slice(0, 2).map(({ proof }) => fromHex(proof))),
    run: (bytes) => void checkProof(stateHead, pathOf(0), decodeProof(bytes)),
  },
  'state-chunk': {
    samples: FROZEN.flatMap(({ chunks }) => chunks.slice(1).map(({ chunk }) => fromHex(chunk))),
    run: (bytes) => void chunkProblem(stateHead, decodeChunk(bytes)),
  },
  'state-node': {
    samples: topNodes.map(({ node }) => fromHex(node)),
    run: (bytes) => void decodeNode(bytes, nodeKey(2 ** 40, pathOf(0), 0)),
  },
  'state-tree': {
    samples: FROZEN.map(({ tree }) => fromHex(tree)),
    run: (bytes) => void decodeTree(bytes),
  },
  'state-node-key': {
    samples: FROZEN.flatMap(({ nodes }) => nodes.slice(0, 4).map(({ key }) => fromHex(key))),
    run: (bytes) => void decodeNodeKey(bytes),
  },
  transaction: {
    samples: [LEDGER.transaction],
    run: (bytes) => void encodeTransaction(decodeTransaction(bytes, KINDS.operations), KINDS.operations),
  },
  receipt: {
    samples: LEDGER.receipts,
    run: (bytes) => void encodeReceipt(decodeReceipt(bytes, KINDS.deliveries), KINDS.deliveries),
  },
  // Then as a block is checked, so that the proof of the receipts is reached.
  parcel: {
    samples: [LEDGER.parcel],
    run: (bytes) =>
      void isProved(decodeParcel(bytes, KINDS.deliveries), LEDGER.outboxRoot as Digest, fastSha256),
  },
  reclaim: { samples: [LEDGER.reclaim], run: (bytes) => void decodeReclaim(bytes) },
  'block-header': { samples: [LEDGER.header], run: (bytes) => void decodeHeader(bytes) },
  'shard-header': { samples: LEDGER.shardHeaders, run: (bytes) => void decodeShardHeader(bytes) },
  block: { samples: [LEDGER.block], run: (bytes) => void decodeBlock(bytes, KINDS, fastSha256) },
  // Records that come with a proof are read as they are in the state.
  'directory-page': {
    samples: [STORAGE_SAMPLES['leaf']!, STORAGE_SAMPLES['inner']!],
    run: (bytes) => void decodeDirectoryPage(bytes),
  },
  'name-entry': {
    samples: [STORAGE_SAMPLES['name entry']!, STORAGE_SAMPLES['moving name entry']!],
    run: (bytes) => void decodeEntry(bytes),
  },
  'object-record': {
    samples: [STORAGE_SAMPLES['object']!],
    run: (bytes) => void decodeCanonical(objectRecord.schema, bytes, STATE_RECORD_LENGTH_MAX, 'object'),
  },
  'segments-record': {
    samples: [STORAGE_SAMPLES['segments']!],
    run: (bytes) => void decodeCanonical(segmentsRecord.schema, bytes, STATE_RECORD_LENGTH_MAX, 'segments'),
  },
  'storage-transaction': {
    samples: Object.values(STORAGE_TRANSACTIONS),
    run: (bytes) => void encodeTransaction(decodeTransaction(bytes, STORAGE_KINDS), STORAGE_KINDS),
  },
  ...PROOF_TARGETS,
};
