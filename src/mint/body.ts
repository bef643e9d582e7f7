import { GateError } from '../errors.ts'
import { MAX_BODY_BYTES } from './parameters.ts'

/**
 * Gathers the body of a request to the mint, and stops at the first byte over 8 KiB, whatever length was declared.
 * @throws TOLLGATE_MINT_SIZE
 */
export function readBody(payload: NodeJS.ReadableStream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    let bytes = 0
    const onData = (piece: Buffer) => {
      bytes += piece.length
      if (bytes <= MAX_BODY_BYTES) {
        pieces.push(piece)
        return
      }
      payload.off('data', onData)
      payload.pause()
      reject(new GateError('TOLLGATE_MINT_SIZE', { reason: 'too_large' }))
    }
    payload.on('data', onData)
    payload.once('end', () => resolve(Buffer.concat(pieces)))
    payload.once('error', reject)
  })
}
