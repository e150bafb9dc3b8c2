// The write-ahead log of a simulated validator: the real format, on the simulated disk. A record is encoded when a restart
// reads it: most logs are dropped unread.

import { StoreError } from '../../src/base/errors.ts';
import type { HeightStart, Input } from '../../src/consensus/types.ts';
import {
  encodeWalHeader,
  encodeWalRecord,
  readWal,
  WAL_HEADER_LENGTH,
  WAL_RECORD_HEAD_LENGTH,
  WAL_SALT_LENGTH,
  type WalOwner,
  type WalPosition,
  walStart,
} from '../../src/consensus/wal.ts';
import { inputLength } from '../../src/consensus/wal-input.ts';
import type { WalPort } from '../../src/node/validator/ports.ts';
import type { SimDisk } from './disk.ts';
import type { SeededRandom } from './random.ts';

/** Name of the log on the disk. */
export const LOG = 'wal';

export class SimWal implements WalPort {
  readonly #disk: SimDisk;
  readonly #owner: WalOwner;
  readonly #random: SeededRandom;
  #position: WalPosition | undefined;
  #length = 0;
  #syncedLength = 0;
  #failure: StoreError | undefined;

  constructor(disk: SimDisk, owner: WalOwner, random: SeededRandom) {
    this.#disk = disk;
    this.#owner = owner;
    this.#random = random;
  }

  /** What a process that starts finds; nothing on a new disk. Throws as `readWal`. */
  open(): readonly Input[] {
    const bytes = this.#disk.read(LOG);
    if (bytes.length === 0) return [];
    const contents = readWal(bytes, this.#owner, LOG);
    this.#disk.restore(LOG, bytes.slice(0, contents.length));
    this.#position = contents.position;
    this.#length = contents.length;
    this.#syncedLength = contents.length;
    return contents.inputs;
  }

  append(input: Input): void {
    if (this.#failure !== undefined) return;
    const position = this.#position!;
    const syncedLength = this.#syncedLength;
    if (!this.#disk.append(LOG, () => encodeWalRecord(input, position, syncedLength))) {
      this.#failure = new StoreError('DISK', 'wal: no space left');
      return;
    }
    this.#length += WAL_RECORD_HEAD_LENGTH + inputLength(input);
    this.#position = { ...position, sequence: position.sequence + 1 };
  }

  sync(done: (error?: StoreError) => void): void {
    if (this.#failure !== undefined) {
      done(this.#failure);
      return;
    }
    const length = this.#length;
    this.#disk.sync(LOG, (error) => {
      if (error === undefined) this.#syncedLength = length;
      else this.#failure = error;
      done(error);
    });
  }

  startHeight(start: HeightStart, done: (error?: StoreError) => void): void {
    const header = { ...this.#owner, height: start.height, salt: this.#random.bytes(WAL_SALT_LENGTH) };
    const encoded = encodeWalHeader(header);
    const position = walStart(encoded, start.height);
    const input: Input = { kind: 'start-height', start };
    const record = (): Uint8Array => encodeWalRecord(input, position, 0);
    this.#disk.replaceLog(LOG, [encoded, record], (error) => {
      this.#failure ??= error;
      this.#position = { ...position, sequence: 1 };
      this.#length = WAL_HEADER_LENGTH + WAL_RECORD_HEAD_LENGTH + inputLength(input);
      this.#syncedLength = this.#length;
      done(this.#failure);
    });
  }

  async close(): Promise<void> {}
}
