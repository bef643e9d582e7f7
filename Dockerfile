# The gate, small and without root. Pin the base by digest where images must not change: node:24-slim@sha256:…
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings its own Node: the optional platform packages stay out.
RUN npm ci --omit=dev --omit=optional && npm cache clean --force

FROM node:24-slim
LABEL org.opencontainers.image.title="Tollgate" \
      org.opencontainers.image.description="The gate in front of your GPU nodes" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
# A number, so that orchestrators can see that it is not root.
USER 1000:1000
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["node", "src/cli.ts", "healthcheck"]
ENTRYPOINT ["node", "src/cli.ts"]
CMD ["serve", "--config", "/etc/tollgate/tollgate.yaml"]
