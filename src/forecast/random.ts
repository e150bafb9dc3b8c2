// Seeded chance for forecasts: the same seed gives the same run on every machine. Not for secrets, and nothing that nodes must agree on is drawn here.

/** What a forecast draws from. */
export class ForecastRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `stream` keeps draws for different purposes apart, so that a change in one does not shift another. */
  constructor(seed: number, stream: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    this.#c = stream >>> 0;
    for (let warmUp = 0; warmUp < 16; warmUp++) this.#word();
  }

  /** Uniform in (0, 1], with 32 bits. */
  unit(): number {
    return (this.#word() + 1) / 2 ** 32;
  }

  /** Uniform integer from 0 to bound - 1. */
  below(bound: number): number {
    return Math.floor((this.#word() / 2 ** 32) * bound);
  }

  /** Time until the next of events that come `rate` times per unit of time; infinite when they never come. */
  waiting(rate: number): number {
    return -Math.log(this.unit()) / rate;
  }

  /** Small fast counting generator (C. Doty-Humphrey's sfc32). */
  #word(): number {
    const word = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + word) | 0;
    return word >>> 0;
  }
}
