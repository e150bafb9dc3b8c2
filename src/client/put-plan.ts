// What a put is going to do, decided before a byte is read: options checked, code chosen, object named, key drawn.

import type { EpochRecord } from '../base/epoch.ts';
import { shardOf } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { ContentKey, ObjectId, OwnerId } from '../base/ids.ts';
import { CELL_LENGTH, SEGMENT_CELLS_DEFAULT, SEGMENT_CELLS_MAX, SEGMENT_CELLS_MIN } from '../base/limits.ts';
import type { Signer } from '../base/ports.ts';
import { checkCode, type Code, defaultCode } from '../replication/code.ts';
import { objectIdOf, SALT_LENGTH, segmentIdOf } from '../replication/object.ts';
import { placeSegment, shardMembers } from '../replication/placement.ts';
import type { Context } from './context.ts';
import type { ObjectIdentity } from './records.ts';
import type { PutOptions } from './types.ts';

export interface PutPlan extends ObjectIdentity {
  readonly code: Code;
  readonly segmentCells: number;
  /** Undefined for a public object. */
  readonly key: ContentKey | undefined;
  readonly allowSameOperator: boolean;
}

/** Throws INVALID_ARGUMENT, NOT_ENOUGH_OPERATORS. */
export function planPut(context: Context, epoch: EpochRecord, owner: Signer, options: PutOptions): PutPlan {
  const segmentCells = cellsOf(options.segmentBytes);
  checkLength(options.lengthBytes);
  const allowSameOperator = options.allowSameOperator === true;
  const salt = context.random.bytes(SALT_LENGTH);
  const object = objectIdOf(context.networkId, owner.publicKey as OwnerId, salt);
  const code = requestedCode(options) ?? defaultCode(holdersOf(epoch, object, allowSameOperator));
  // Refuses a code that the network cannot hold before the source is touched.
  placeSegment(epoch, object, segmentIdOf(object, 0), code.n, { allowSameOperator });
  const key = options.isPublic === true ? undefined : (context.random.bytes(32) as ContentKey);
  return { owner, salt, object, code, segmentCells, key, allowSameOperator, sentTo: new Set() };
}

function requestedCode({ code, copies }: PutOptions): Code | undefined {
  if (code !== undefined && copies !== undefined) {
    throw new StoreError('INVALID_ARGUMENT', 'a code and a number of copies exclude one another', {
      next: 'Give one of them.',
    });
  }
  if (copies !== undefined) return checkCode({ k: 1, n: copies });
  return code === undefined ? undefined : checkCode({ k: code.k, n: code.n });
}

/** Independent holders in the object's shard. */
function holdersOf(epoch: EpochRecord, object: ObjectId, allowSameOperator: boolean): number {
  const members = shardMembers(epoch, shardOf(object, epoch.params.shardBits));
  return allowSameOperator ? members.length : new Set(members.map((member) => member.operator)).size;
}

function cellsOf(segmentBytes: number | undefined): number {
  if (segmentBytes === undefined) return SEGMENT_CELLS_DEFAULT;
  const cells = Math.round(segmentBytes / CELL_LENGTH);
  if (!(cells >= SEGMENT_CELLS_MIN && cells <= SEGMENT_CELLS_MAX)) {
    throw new StoreError('INVALID_ARGUMENT', `segments of ${segmentBytes} bytes are not possible`, {
      next: 'Choose 1 MiB to 64 MiB.',
    });
  }
  return cells;
}

function checkLength(lengthBytes: number | undefined): void {
  if (lengthBytes === undefined || (Number.isSafeInteger(lengthBytes) && lengthBytes >= 0)) return;
  throw new StoreError('INVALID_ARGUMENT', `a source has no length of ${lengthBytes} bytes`);
}
