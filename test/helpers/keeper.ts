// A storage node's services over a real log in a temporary folder and the memory network, and owners who sign for it.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EpochRecord } from '../../src/base/epoch.ts';
import type { Digest, NodeId, ObjectId, OwnerId, PieceRoot, Signature } from '../../src/base/ids.ts';
import type { Clock, PieceLog, Reply, Signer } from '../../src/base/ports.ts';
import { createKeeper, type Keeper } from '../../src/node/keeper.ts';
import type { KeeperOptions } from '../../src/node/keeper-ports.ts';
import { encodePutPiece, encodePutRecord, SERVICES } from '../../src/replication/messages.ts';
import { objectIdOf } from '../../src/replication/object.ts';
import { hashPiece } from '../../src/replication/piece-tree.ts';
import { signPut, TICKET_LIFETIME_MS } from '../../src/replication/ticket.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { createMemoryHub, type MemoryNode } from '../../src/runtime/memory-network.ts';
import { openPieceLog, type PieceLogOptions } from '../../src/runtime/piece-log/log.ts';
import { sampleEpoch, sampleMembers, signerFrom } from './records.ts';

/** A clock that a test sets; waiting is real. */
export class SetClock implements Clock {
  nowMs = 1_760_000_000_000;
  now(): number {
    return this.nowMs;
  }
  monotonic(): number {
    return performance.now();
  }
  async sleep(delayMs: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
  timer(delayMs: number, run: () => void): () => void {
    const handle = setTimeout(run, delayMs);
    handle.unref();
    return () => clearTimeout(handle);
  }
}

export interface TestKeeper {
  readonly keeper: Keeper;
  readonly clock: SetClock;
  readonly log: PieceLog;
  readonly node: NodeId;
  readonly epoch: EpochRecord;
  readonly client: MemoryNode;
  call(service: string, header: Uint8Array, body?: Uint8Array): Promise<Reply>;
  /** Flips a bit in the middle of every place where `bytes` stand in the log files. */
  rot(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** The epoch of tests: seven members, of which the keeper is the first. */
export function keeperEpoch(): EpochRecord {
  return sampleEpoch(sampleMembers(7));
}

export async function openTestKeeper(
  options: Partial<KeeperOptions> = {},
  logOptions: Partial<PieceLogOptions> = {},
): Promise<TestKeeper> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-keeper-'));
  const epoch = keeperEpoch();
  const { network } = epoch;
  const signer = signerFrom('node 0');
  const node = signer.publicKey as NodeId;
  const clock = new SetClock();
  const { log } = await openPieceLog({
    folder,
    network,
    node,
    clock,
    quotaBytes: 2 ** 30,
    reserveBytes: 0,
    ...logOptions,
  });
  const coder = { hashPiece: async (piece: Uint8Array) => hashPiece(piece) };
  const keeper = createKeeper(
    { clock, log, coder, signer, verify: nativeVerify, sha256: nativeSha256 },
    { network, epoch: () => epoch, ...options },
  );
  const hub = createMemoryHub();
  const server = hub.join(node, { network });
  for (const service of keeper.services) server.serve(service);
  const client = hub.join(signerFrom('some client').publicKey as NodeId, { network });
  client.setAddresses(node, { control: [], bulk: [server.address] });
  return {
    keeper,
    clock,
    log,
    node,
    epoch,
    client,
    call: (service, header, body) =>
      client.call(
        node,
        service,
        { header, body: body === undefined ? [] : [body] },
        { maxBodyLength: 2 ** 27 },
      ),
    rot: (bytes) => rotIn(folder, bytes),
    close: async () => {
      await log.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function rotIn(folder: string, bytes: Uint8Array): Promise<void> {
  let count = 0;
  for (const name of await readdir(folder)) {
    if (name === 'index' || name === 'LOCK') continue;
    const content = await readFile(join(folder, name)).catch(() => undefined);
    for (let at = content?.indexOf(bytes) ?? -1; content !== undefined && at >= 0; ) {
      const middle = at + (bytes.length >> 1);
      content[middle]! ^= 1;
      count += 1;
      await writeFile(join(folder, name), content);
      at = content.indexOf(bytes, middle);
    }
  }
  if (count === 0) throw new Error('the bytes to rot are nowhere in the log files');
}

/** An owner who puts pieces and records of one object on one node. */
export interface TestOwner {
  readonly signer: Signer;
  readonly owner: OwnerId;
  readonly salt: Uint8Array;
  readonly object: ObjectId;
}

export function ownerFrom(name: string, epoch: EpochRecord, saltByte = 7): TestOwner {
  const signer = signerFrom(name);
  const owner = signer.publicKey as OwnerId;
  const salt = new Uint8Array(16).fill(saltByte);
  return { signer, owner, salt, object: objectIdOf(epoch.network, owner, salt) };
}

export interface PutFields {
  readonly node: NodeId;
  readonly segmentIndex: number;
  readonly pieceIndex: number;
  readonly root: PieceRoot;
  readonly lengthBytes: number;
  readonly expiresAtMs: number;
  readonly ticket?: Signature;
}

/** Header of a put-piece request with a valid ticket, changed by `fields` before it is signed. */
export function putPieceHeader(
  test: TestKeeper,
  by: TestOwner,
  piece: Uint8Array,
  fields: Partial<PutFields> = {},
): Uint8Array {
  const put = {
    node: test.node,
    segmentIndex: 0,
    pieceIndex: 0,
    root: hashPiece(piece).root as Uint8Array as PieceRoot,
    lengthBytes: piece.length,
    expiresAtMs: test.clock.nowMs + TICKET_LIFETIME_MS,
    ...fields,
  };
  const { segmentIndex, pieceIndex, root, lengthBytes, expiresAtMs } = put;
  const network = test.epoch.network;
  const ticket = signPut(
    {
      network,
      node: put.node,
      object: by.object,
      place: { segmentIndex, pieceIndex },
      content: root,
      lengthBytes,
      expiresAtMs,
    },
    by.signer,
  );
  return encodePutPiece({
    owner: by.owner,
    objectSalt: by.salt,
    segmentIndex,
    pieceIndex,
    root,
    lengthBytes,
    expiresAtMs,
    ticket: fields.ticket ?? ticket,
  });
}

/** Header of a put-record request with a valid ticket. */
export function putRecordHeader(
  test: TestKeeper,
  by: TestOwner,
  record: Uint8Array,
  digest: Digest = nativeSha256(record) as Digest,
): Uint8Array {
  const expiresAtMs = test.clock.nowMs + TICKET_LIFETIME_MS;
  const ticket = signPut(
    {
      network: test.epoch.network,
      node: test.node,
      object: by.object,
      place: undefined,
      content: digest,
      lengthBytes: record.length,
      expiresAtMs,
    },
    by.signer,
  );
  return encodePutRecord({
    owner: by.owner,
    objectSalt: by.salt,
    digest,
    lengthBytes: record.length,
    expiresAtMs,
    ticket,
  });
}

/** Stores a piece as its owner would. */
export async function putPiece(
  test: TestKeeper,
  by: TestOwner,
  piece: Uint8Array,
  fields: Partial<PutFields> = {},
): Promise<Reply> {
  return test.call(SERVICES.putPiece, putPieceHeader(test, by, piece, fields), piece);
}
