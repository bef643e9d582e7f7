import { ByteCollector } from '../byte-collector.ts'
import { GateError } from '../errors.ts'
import { MAX_BODY_BYTES } from './parameters.ts'

/**
 * Gathers the body of a request to the mint, and stops at the first byte over 8 KiB, whatever length was declared.
 * @throws TOLLGATE_MINT_SIZE
 */
export function readBody(payload: NodeJS.ReadableStream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const body = new ByteCollector()
    const onData = (piece: Buffer) => {
      if (body.length + piece.length <= MAX_BODY_BYTES) {
        body.add(piece)
        return
      }
      payload.off('data', onData)
      payload.pause()
      reject(new GateError('TOLLGATE_MINT_SIZE', { reason: 'too_large' }))
    }
    payload.on('data', onData)
    payload.once('end', () => resolve(body.take()))
    payload.once('error', reject)
  })
}
