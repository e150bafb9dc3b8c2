// The kinds of transactions and messages about buckets, names and objects, as the genesis of a network lists them.

import type { Delivery, Operation } from './operation.ts';
import { addSegments, addSegmentsDelivery } from './operations/add-segments.ts';
import { chargeLossDelivery } from './operations/charge-loss.ts';
import { changeBucket } from './operations/change-bucket.ts';
import { createBucket } from './operations/create-bucket.ts';
import { deleteBucket } from './operations/delete-bucket.ts';
import { deleteName } from './operations/delete-name.ts';
import { deleteObject } from './operations/delete-object.ts';
import { depositDelivery, refundDepositsDelivery } from './operations/deposits.ts';
import { disputeResult, openDisputeDelivery } from './operations/dispute-result.ts';
import { forgetBucketDelivery } from './operations/forget-bucket.ts';
import { putName } from './operations/put-name.ts';
import { registerObject, registerObjectDelivery } from './operations/register-object.ts';
import { arriveNameDelivery, endMoveDelivery, rename } from './operations/rename.ts';
import { renewObject } from './operations/renew-object.ts';
import { repairPieces } from './operations/repair-pieces.ts';
import { replaceHolder } from './operations/replace-holder.ts';
import { takeOverDelivery } from './operations/take-over.ts';

const KINDS = [
  createBucket,
  changeBucket,
  deleteBucket,
  putName,
  deleteName,
  rename,
  renewObject,
  deleteObject,
  replaceHolder,
  repairPieces,
  disputeResult,
] as const;

export const STORAGE_OPERATIONS: readonly Operation<unknown>[] = [
  ...KINDS.map(({ operation }) => operation),
  registerObject,
  addSegments,
];

export const STORAGE_DELIVERIES: readonly Delivery<unknown>[] = [
  ...KINDS.map(({ delivery }) => delivery),
  forgetBucketDelivery,
  arriveNameDelivery,
  endMoveDelivery,
  registerObjectDelivery,
  addSegmentsDelivery,
  takeOverDelivery,
  chargeLossDelivery,
  openDisputeDelivery,
  depositDelivery,
  refundDepositsDelivery,
];
