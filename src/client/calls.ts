// The requests of `replication/messages.ts`, one function each: encode, call, decode. What a node answers is parsed
// here and believed nowhere: callers check signatures, digests and roots. BUSY is waited out here, because it says
// nothing about the node but that it lives.

import { equal } from '../base/bytes.ts';
import { encode } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, NodeId, PieceRoot, Signature } from '../base/ids.ts';
import { MANIFEST_LENGTH_MAX } from '../base/limits.ts';
import type { CallOptions, Reply } from '../base/ports.ts';
import {
  decodeGetPieceReply,
  decodeLocated,
  decodeLocations,
  decodeMembersReply,
  decodeNodeStatus,
  decodePutReply,
  decodeRemoveReply,
  encodeGetPiece,
  encodeGetRecord,
  encodeLocatePieces,
  encodeLocateRecord,
  encodePutPiece,
  encodePutRecord,
  encodeRemoveObject,
  type GetPiece,
  type GetPieceReply,
  type LocatePieces,
  MEMBERS_REPLY_LENGTH_MAX,
  type MembersReply,
  type NodeStatus,
  type PutPiece,
  type PutRecord,
  type RemoveObject,
  SERVICES,
} from '../replication/messages.ts';
import { BUSY_TRIES, type Context } from './context.ts';

type Caller = Pick<Context, 'network' | 'clock' | 'timing'>;

const EMPTY_HEADER: Uint8Array = encode([]);

export async function askMembers(context: Caller, node: NodeId, signal: AbortSignal): Promise<MembersReply> {
  const { body } = await call(context, node, SERVICES.members, EMPTY_HEADER, undefined, {
    signal,
    maxBodyLength: MEMBERS_REPLY_LENGTH_MAX,
  });
  return decodeMembersReply(body);
}

export async function askStatus(context: Caller, node: NodeId, signal: AbortSignal): Promise<NodeStatus> {
  const { header } = await call(context, node, SERVICES.nodeStatus, EMPTY_HEADER, undefined, { signal });
  return decodeNodeStatus(header);
}

/** Returns the node's confirmation, unverified. */
export async function sendPiece(
  context: Caller,
  node: NodeId,
  put: PutPiece,
  piece: Uint8Array,
  options: Pick<CallOptions, 'signal' | 'onBytes'>,
): Promise<Signature> {
  const { header } = await call(context, node, SERVICES.putPiece, encodePutPiece(put), piece, {
    timeoutMs: context.timing.pieceTimeoutMs,
    ...options,
  });
  return decodePutReply(header);
}

export interface FetchedPiece {
  readonly reply: GetPieceReply;
  readonly bytes: Uint8Array;
}

/** The bytes are unverified; a reply longer than `maxLength` is refused unread. */
export async function fetchPiece(
  context: Caller,
  node: NodeId,
  get: GetPiece,
  maxLength: number,
  options: Pick<CallOptions, 'signal' | 'onBytes' | 'into'>,
): Promise<FetchedPiece> {
  const { header, body } = await call(context, node, SERVICES.getPiece, encodeGetPiece(get), undefined, {
    timeoutMs: context.timing.pieceTimeoutMs,
    maxBodyLength: maxLength,
    ...options,
  });
  return { reply: decodeGetPieceReply(header), bytes: body };
}

/** Indices of the segment's pieces that the node says it has, by their `roots`: pieces of another encoding run are not the segment's. */
export async function locatePieces(
  context: Caller,
  node: NodeId,
  locate: LocatePieces,
  roots: readonly PieceRoot[],
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const { header } = await call(context, node, SERVICES.locatePieces, encodeLocatePieces(locate), undefined, {
    signal,
  });
  const ours = decodeLocated(header).filter(({ pieceIndex, root }) => {
    const expected = roots[pieceIndex];
    return expected !== undefined && equal(expected, root);
  });
  return new Set(ours.map(({ pieceIndex }) => pieceIndex));
}

/** Returns the node's confirmation, unverified. */
export async function sendRecord(
  context: Caller,
  node: NodeId,
  put: PutRecord,
  record: Uint8Array,
  options: Pick<CallOptions, 'signal' | 'onBytes'>,
): Promise<Signature> {
  const { header } = await call(context, node, SERVICES.putRecord, encodePutRecord(put), record, options);
  return decodePutReply(header);
}

/** The bytes are unverified. */
export async function fetchRecord(
  context: Caller,
  node: NodeId,
  digest: Digest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { body } = await call(context, node, SERVICES.getRecord, encodeGetRecord(digest), undefined, {
    signal,
    maxBodyLength: MANIFEST_LENGTH_MAX,
  });
  return body;
}

/** Signed records of nodes that say they have the manifest, unverified. */
export async function locateRecord(
  context: Caller,
  node: NodeId,
  digest: Digest,
  signal: AbortSignal,
): Promise<readonly Uint8Array[]> {
  const header = encodeLocateRecord(digest);
  return decodeLocations(
    (await call(context, node, SERVICES.locateRecord, header, undefined, { signal })).header,
  );
}

/** Returns how many entries the node says it dropped. */
export async function sendRemove(
  context: Caller,
  node: NodeId,
  remove: RemoveObject,
  signal: AbortSignal,
): Promise<number> {
  const { header } = await call(context, node, SERVICES.removeObject, encodeRemoveObject(remove), undefined, {
    signal,
    timeoutMs: context.timing.pieceTimeoutMs,
  });
  return decodeRemoveReply(header);
}

async function call(
  context: Caller,
  node: NodeId,
  service: string,
  header: Uint8Array,
  body: Uint8Array | undefined,
  options: CallOptions,
): Promise<Reply> {
  const { clock, network, timing } = context;
  const request = body === undefined ? { header } : { header, body: [body] };
  for (let tries = 1, waitMs = timing.busyMs; ; tries++, waitMs *= 2) {
    try {
      return await network.call(node, service, request, { timeoutMs: timing.askTimeoutMs, ...options });
    } catch (error) {
      const isBusy = error instanceof StoreError && error.code === 'BUSY';
      if (!isBusy || tries >= BUSY_TRIES) throw error;
    }
    await clock.sleep(waitMs, options.signal);
  }
}
