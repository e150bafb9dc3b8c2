// Inputs of the engine as bytes, for the write-ahead log. Strict in both directions: an input has one encoding, and bytes that
// are not the encoding of an input within its bounds are INVALID_ENCODING. docs/format-validator.md has the tables.

import { assert } from '../base/assert.ts';
import { compare } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { DIGEST_LENGTH, type NodeId } from '../base/ids.ts';
import {
  HEIGHT_MAX,
  PROPOSER_SLOTS_MIN,
  PROPOSER_SLOTS_PER_VALIDATOR,
  ROUND_MAX,
  VALIDATORS_MAX,
} from '../base/limits.ts';
import { Reader, Writer } from './binary.ts';
import { isSingle } from './message-kinds.ts';
import { messageLength, readMessage, writeMessage } from './messages.ts';
import type {
  BlockId,
  HeightStart,
  Input,
  ProposerSchedule,
  TimeoutKind,
  Validator,
  ValidatorSet,
} from './types.ts';
import { validatorSet } from './validator-set.ts';

/** First byte of each kind. */
const KIND_TAGS: Readonly<Record<Input['kind'], number>> = {
  'start-height': 1,
  message: 2,
  signed: 3,
  value: 4,
  verdict: 5,
  timeout: 6,
};
const KINDS: readonly Input['kind'][] = ['start-height', 'message', 'signed', 'value', 'verdict', 'timeout'];
/** Place in the list, counted from 1, stands for each. */
const TIMEOUTS: readonly TimeoutKind[] = ['propose', 'prevote', 'precommit', 'rebroadcast'];
const NO_VOICE = 0xffff;
const VALIDATOR_LENGTH = DIGEST_LENGTH + 8;
/** Of a `start-height`, without validators and slots. */
const START_LENGTH: number = 1 + 8 + 2 + 2 + 8 + 2;
const SLOTS_MAX: number = Math.max(PROPOSER_SLOTS_MIN, PROPOSER_SLOTS_PER_VALIDATOR * VALIDATORS_MAX);

/** The height that an input speaks of. */
export function heightOf(input: Input): number {
  switch (input.kind) {
    case 'start-height':
      return input.start.height;
    case 'message':
    case 'signed':
      return input.message.height;
    case 'value':
    case 'verdict':
    case 'timeout':
      return input.height;
  }
}

/** Bytes that `writeInput` writes. */
export function inputLength(input: Input): number {
  switch (input.kind) {
    case 'start-height': {
      const { validators, proposers } = input.start;
      return START_LENGTH + validators.validators.length * VALIDATOR_LENGTH + proposers.slots.length * 2;
    }
    case 'message':
    case 'signed':
      return 1 + messageLength(input.message);
    case 'value':
      return 1 + 8 + 4 + DIGEST_LENGTH;
    case 'verdict':
      return 1 + 8 + DIGEST_LENGTH + 1;
    case 'timeout':
      return 1 + 1 + 8 + 4;
  }
}

/** Asserts that the input is in form. */
export function writeInput(writer: Writer, input: Input): void {
  writer.uint8(KIND_TAGS[input.kind]);
  switch (input.kind) {
    case 'start-height':
      writeStart(writer, input.start);
      return;
    case 'message':
    case 'signed':
      writeMessage(writer, input.message);
      return;
    case 'value':
      writer.uint64(input.height);
      writer.uint32(input.round);
      writer.digest(input.blockId);
      return;
    case 'verdict':
      writer.uint64(input.height);
      writer.digest(input.blockId);
      writer.uint8(input.isValid ? 1 : 0);
      return;
    case 'timeout':
      writer.uint8(TIMEOUTS.indexOf(input.timeout) + 1);
      writer.uint64(input.height);
      writer.uint32(input.round);
      return;
  }
}

function writeStart(writer: Writer, { height, validators, proposers, self }: HeightStart): void {
  assert(proposers.slots.length <= SLOTS_MAX, 'a schedule has no more slots than its bound');
  writer.uint64(height);
  writer.uint16(self ?? NO_VOICE);
  writer.uint16(validators.validators.length);
  for (const { node, power } of validators.validators) {
    writer.raw(node);
    writer.bigUint64(power);
  }
  writer.uint64(proposers.firstHeight);
  writer.uint16(proposers.slots.length);
  for (const slot of proposers.slots) writer.uint16(slot);
}

export function encodeInput(input: Input): Uint8Array {
  const writer = new Writer(inputLength(input));
  writeInput(writer, input);
  return writer.finish();
}

/** Throws INVALID_ENCODING for anything but the encoding of an input. */
export function decodeInput(bytes: Uint8Array): Input {
  const reader = new Reader(bytes, 'logged input');
  const input = readInput(reader);
  reader.end();
  return input;
}

function readInput(reader: Reader): Input {
  const tag = reader.uint8();
  const kind = KINDS.find((known) => KIND_TAGS[known] === tag);
  if (kind === undefined) throw reader.refusal(`kind ${tag} is unknown`);
  switch (kind) {
    case 'start-height':
      return { kind, start: readStart(reader) };
    case 'message':
      return { kind, message: readMessage(reader) };
    case 'signed': {
      const message = readMessage(reader);
      if (!isSingle(message)) throw reader.refusal(`a ${message.kind} is not signed by one validator`);
      return { kind, message };
    }
    case 'value':
      return {
        kind,
        height: readHeight(reader),
        round: readRound(reader),
        blockId: reader.digest() as BlockId,
      };
    case 'verdict':
      return {
        kind,
        height: readHeight(reader),
        blockId: reader.digest() as BlockId,
        isValid: readBoolean(reader),
      };
    case 'timeout': {
      const timeout = TIMEOUTS[reader.uint8() - 1];
      if (timeout === undefined) throw reader.refusal('unknown kind of time-out');
      return { kind, timeout, height: readHeight(reader), round: readRound(reader) };
    }
  }
}

function readHeight(reader: Reader): number {
  const height = reader.uint64();
  if (height > HEIGHT_MAX) throw reader.refusal(`height ${height} is out of bounds`);
  return height;
}

function readRound(reader: Reader): number {
  const round = reader.uint32();
  if (round > ROUND_MAX) throw reader.refusal(`round ${round} is out of bounds`);
  return round;
}

function readBoolean(reader: Reader): boolean {
  const byte = reader.uint8();
  if (byte > 1) throw reader.refusal('a verdict is 0 or 1');
  return byte === 1;
}

function readStart(reader: Reader): HeightStart {
  const height = readHeight(reader);
  const self = reader.uint16();
  const validators = readSet(reader);
  const count = validators.validators.length;
  if (self !== NO_VOICE && self >= count) throw reader.refusal('its own place is not in the set');
  const proposers = readSchedule(reader, count);
  return { height, validators, proposers, self: self === NO_VOICE ? undefined : self };
}

function readSet(reader: Reader): ValidatorSet {
  const count = reader.uint16();
  if (count > VALIDATORS_MAX || count * VALIDATOR_LENGTH > reader.remaining)
    throw reader.refusal(`a set of ${count} validators does not fit`);
  const validators: Validator[] = [];
  for (let index = 0; index < count; index++) {
    const node = reader.raw(DIGEST_LENGTH) as NodeId;
    if (index > 0 && compare(validators[index - 1]!.node, node) >= 0)
      throw reader.refusal('validators are out of order');
    validators.push({ node, power: reader.bigUint64() });
  }
  try {
    return validatorSet(validators);
  } catch (error) {
    throw error instanceof StoreError ? reader.refusal(error.message) : error;
  }
}

function readSchedule(reader: Reader, validatorCount: number): ProposerSchedule {
  const firstHeight = readHeight(reader);
  const count = reader.uint16();
  if (count === 0 || count > SLOTS_MAX) throw reader.refusal(`a schedule of ${count} slots`);
  const slots: number[] = [];
  for (let index = 0; index < count; index++) {
    const slot = reader.uint16();
    if (slot >= validatorCount) throw reader.refusal('a slot names no validator of the set');
    slots.push(slot);
  }
  return { firstHeight, slots };
}
