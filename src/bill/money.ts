/**
 * Money in whole numbers. A unit of a currency has 3 · 10²¹ atoms: so many that the price of a token, per million, of a
 * millisecond of sound, per minute, and a discount in ten-thousandths of a percent all come out even. Nothing is rounded
 * before it is shown.
 */
export const ATOMS = 3n * 10n ** 21n

/** Of a price: nine digits behind the point. */
export type Nano = bigint
/** Of a currency. */
export type Atoms = bigint
/** Millionths of a price that are to be paid; a million without a discount. */
export type Millionths = bigint

export const WHOLE: Millionths = 1_000_000n

/** A price as people write it, in a text: no sign, no exponent, at most nine digits behind the point. */
export const DECIMAL = /^\d{1,9}(?:\.\d{1,9})?$/
/** A percentage, from 0 to 100. */
export const PERCENT = /^(?:100(?:\.0{1,4})?|\d{1,2}(?:\.\d{1,4})?)$/

/** Reads `0.20`. @throws TypeError when the text is no price; the schema has refused such a text before */
export function readNano(text: string): Nano {
  if (!DECIMAL.test(text)) throw new TypeError(`not a price: ${text}`)
  return scaled(text, 9)
}

/** What is left to pay after a discount such as `12.5`. @throws TypeError when the text is no percentage */
export function readDiscount(percent: string): Millionths {
  if (!PERCENT.test(percent)) throw new TypeError(`not a percentage: ${percent}`)
  return WHOLE - scaled(percent, 4)
}

/** @param price per million */
export const costOfTokens = (tokens: bigint, price: Nano, pay: Millionths): Atoms => tokens * price * pay * 3n
/** @param price per minute */
export const costOfSound = (ms: bigint, price: Nano, pay: Millionths): Atoms => ms * price * pay * 50n
/** @param price of one */
export const costOfRequests = (count: bigint, price: Nano, pay: Millionths): Atoms => count * price * pay * 3_000_000n

/** What is shown at most behind the point. */
export const MAX_DECIMALS = 9

/** An amount, rounded to so many digits behind the point, a half upwards. */
export function moneyText(atoms: Atoms, decimals: number): string {
  return unitsText(rounded(atoms, decimals), decimals)
}

/**
 * Amounts that are shown together: the sum is rounded once, a half upwards, and each part up or down so that what is shown adds
 * up to it. Those with the larger rest go up, the earlier ones first.
 */
export function moneyTexts(parts: readonly Atoms[], decimals: number): readonly string[] {
  const unit = unitOf(decimals)
  const total = rounded(
    parts.reduce((sum, part) => sum + part, 0n),
    decimals
  )
  const floors = parts.map(part => part / unit)
  const missing = Number(total - floors.reduce((sum, floor) => sum + floor, 0n))
  const up = new Set(
    parts
      .map((part, index) => ({ rest: part % unit, index }))
      .sort((a, b) => (a.rest === b.rest ? a.index - b.index : a.rest < b.rest ? 1 : -1))
      .slice(0, missing)
      .map(({ index }) => index)
  )
  return floors.map((floor, index) => unitsText(floor + (up.has(index) ? 1n : 0n), decimals))
}

function rounded(atoms: Atoms, decimals: number): bigint {
  const unit = unitOf(decimals)
  return (2n * atoms + unit) / (2n * unit)
}

function unitOf(decimals: number): Atoms {
  return ATOMS / 10n ** BigInt(decimals)
}

function unitsText(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, '0')
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}

function scaled(text: string, decimals: number): bigint {
  const [whole = '', behind = ''] = text.split('.')
  return BigInt(whole + behind.padEnd(decimals, '0'))
}
