/* The 2-D toy's trainer for search_plane.py: one run after another, all samples of a batch at once.

   Layers are bias-free with BatchNorm (running means of momentum 0.1) and ReLU, the last one linear with a bias or none. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MOST = 1000, WIDE = 20, UNITS = 4, CLASSES = 3 };
#define LEAST 1e-8f

typedef struct { int in, units, out, bias; } Shape;
typedef struct { /* what is trained, its gradient and its velocity have this shape */
    float w[UNITS][WIDE], gamma[UNITS], beta[UNITS], v[CLASSES][WIDE], b[CLASSES];
} Net;
typedef struct { float mean[UNITS], var[UNITS]; } Running;
typedef struct { float hat[UNITS][MOST], h[UNITS][MOST], scale[UNITS]; } Kept;

/* out[k][i] of x[d][i]; `train` normalises by the batch and moves `run`. */
static void forward(const Shape *s, const Net *n, Running *run, Kept *kept, int train, int B, float x[][MOST],
                    float out[][MOST]) {
    for (int u = 0; u < s->units; u++) {
        float *z = kept->hat[u], *h = kept->h[u], mean = 0, var = 0;
        for (int i = 0; i < B; i++) z[i] = 0;
        for (int d = 0; d < s->in; d++)
            for (int i = 0; i < B; i++) z[i] += n->w[u][d] * x[d][i];
        if (train) {
            for (int i = 0; i < B; i++) mean += z[i];
            mean /= B;
            for (int i = 0; i < B; i++) var += (z[i] - mean) * (z[i] - mean);
            var /= B;
            run->mean[u] += 0.1f * (mean - run->mean[u]);
            run->var[u] += 0.1f * (var * B / (B - 1) - run->var[u]);
        } else mean = run->mean[u], var = run->var[u];
        float scale = kept->scale[u] = 1 / sqrtf(var + 1e-5f), a = n->gamma[u], c = n->beta[u];
        for (int i = 0; i < B; i++) {
            z[i] = (z[i] - mean) * scale;
            float y = a * z[i] + c;
            h[i] = y > 0 ? y : 0;
        }
    }
    for (int k = 0; k < s->out; k++) {
        for (int i = 0; i < B; i++) out[k][i] = n->b[k];
        int last = s->units ? s->units : s->in;
        for (int u = 0; u < last; u++) {
            const float *h = s->units ? kept->h[u] : x[u];
            for (int i = 0; i < B; i++) out[k][i] += n->v[k][u] * h[i];
        }
    }
}

/* The gradient by d[k][i], the loss's by out[k][i], of a batch that `forward` saw in training. */
static void backward(const Shape *s, const Net *n, const Kept *kept, int B, float x[][MOST], float d[][MOST], Net *grad) {
    static float dz[MOST];
    memset(grad, 0, sizeof *grad);
    int last = s->units ? s->units : s->in;
    for (int k = 0; k < s->out; k++) {
        float sum = 0;
        for (int i = 0; i < B; i++) sum += d[k][i];
        grad->b[k] = s->bias ? sum : 0;
        for (int u = 0; u < last; u++) {
            const float *h = s->units ? kept->h[u] : x[u];
            float to = 0;
            for (int i = 0; i < B; i++) to += d[k][i] * h[i];
            grad->v[k][u] = to;
        }
    }
    for (int u = 0; u < s->units; u++) {
        const float *hat = kept->hat[u], *h = kept->h[u];
        float sum = 0, along = 0;
        for (int i = 0; i < B; i++) dz[i] = 0;
        for (int k = 0; k < s->out; k++)
            for (int i = 0; i < B; i++) dz[i] += d[k][i] * n->v[k][u];
        for (int i = 0; i < B; i++) {
            dz[i] = h[i] > 0 ? dz[i] : 0;
            sum += dz[i];
            along += dz[i] * hat[i];
        }
        grad->gamma[u] = along;
        grad->beta[u] = sum;
        float scale = n->gamma[u] * kept->scale[u];
        for (int i = 0; i < B; i++) dz[i] = scale * (dz[i] - sum / B - hat[i] * along / B);
        for (int e = 0; e < s->in; e++) {
            float to = 0;
            for (int i = 0; i < B; i++) to += dz[i] * x[e][i];
            grad->w[u][e] = to;
        }
    }
}

static void descend(Net *n, Net *velocity, const Net *grad, float rate, float momentum, float decay) {
    float *p = (float *)n, *v = (float *)velocity;
    const float *g = (const float *)grad;
    for (size_t i = 0; i < sizeof(Net) / sizeof(float); i++) {
        v[i] = momentum * v[i] + g[i] + decay * p[i];
        p[i] -= rate * v[i];
    }
}

static void softmax(int B, float s[][MOST], float T, float p[][MOST]) {
    for (int i = 0; i < B; i++) {
        float a = s[0][i] / T, b = s[1][i] / T, c = s[2][i] / T, top = fmaxf(a, fmaxf(b, c));
        a = expf(a - top), b = expf(b - top), c = expf(c - top);
        float all = a + b + c;
        p[0][i] = a / all, p[1][i] = b / all, p[2][i] = c / all;
    }
}

typedef struct {
    int method, epochs, batch, inner, period, cosine, k, normalised, errors, guides, hidden, bias;
    float rate, momentum, decay, alpha, T, delta, lambda_min, lambda_max, guide_rate, guide_decay;
} Told;

static uint64_t state;
static uint32_t draw(uint32_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

static float right(const Shape *s, const Net *n, Running *run, int N, const float *x, const int *y) {
    static float at[2][MOST], out[CLASSES][MOST];
    static Kept kept;
    int good = 0;
    for (int i = 0; i < N; i++) at[0][i] = x[2 * i], at[1][i] = x[2 * i + 1];
    forward(s, n, run, &kept, 0, N, at, out);
    for (int i = 0; i < N; i++) {
        int best = 0;
        for (int k = 1; k < CLASSES; k++) if (out[k][i] > out[best][i]) best = k;
        good += best == y[i];
    }
    return 100.0f * good / N;
}

/* x (N, 2), seen (N, F) by the guide, t (N, 3) the teacher's logits, nets and running: in and out; best, end (R,): in %. */
void train(const Told *o, int R, uint64_t seed, int N, const float *x, const int *y, int F, const float *seen, const float *t,
           int M, const float *test, const int *truth, Net *students, Running *averages, Net *guides, float *best, float *end) {
    static float bx[2][MOST], bf[WIDE][MOST], s[CLASSES][MOST], p[CLASSES][MOST], q[CLASSES][MOST], d[CLASSES][MOST];
    static float z[CLASSES][MOST], g[MOST], ce[MOST], te[MOST][CLASSES], in[MOST][CLASSES];
    static int order[MOST];
    static Kept kept, kept2;
    Shape S = {2, o->hidden, CLASSES, o->bias}, G = {F, o->guides, 1, 1};
    int B = o->batch ? o->batch : N, each = o->batch ? N / B : o->inner, steps = o->epochs * each;
    for (int i = 0; i < N; i++) {
        float top = -1e9f, all = 0;
        for (int k = 0; k < CLASSES; k++) top = fmaxf(top, t[3 * i + k]);
        for (int k = 0; k < CLASSES; k++) all += te[i][k] = expf((t[3 * i + k] - top) / o->T);
        for (int k = 0; k < CLASSES; k++) {
            te[i][k] /= all;
            int above = 0;
            for (int j = 0; j < CLASSES; j++) above += t[3 * i + j] > t[3 * i + k];
            in[i][k] = above < o->k;
        }
    }
    for (int r = 0; r < R; r++) {
        Net v = {0}, gv = {0}, grad, *n = students + r, *gn = guides + r;
        Running *run = averages + r, grun;
        for (int u = 0; u < UNITS; u++) grun.mean[u] = 0, grun.var[u] = 1;
        best[r] = right(&S, n, run, M, test, truth);
        state = seed;
        int spread = o->batch ? N / B : 1;
        for (int i = 0; i < N; i++) order[i] = i;
        for (int turn = 0, step = 0; step < steps; turn++) {
            if (o->batch && turn % spread == 0)
                for (int i = N - 1; i > 0; i--) { int j = draw(i + 1), h = order[i]; order[i] = order[j], order[j] = h; }
            const int *rows = order + (turn % spread) * B;
            int guide = o->method == 2 && turn / o->inner % 2 == 0;
            float at = o->cosine ? 0.5f * (1 + cosf(3.14159265f * step / steps)) : 1;
            for (int i = 0; i < B; i++) {
                int j = rows[i];
                bx[0][i] = x[2 * j], bx[1][i] = x[2 * j + 1];
                if (o->method == 2) for (int f = 0; f < F; f++) bf[f][i] = seen[F * j + f];
            }
            forward(&S, n, run, &kept, !guide, B, bx, s);
            softmax(B, s, 1, p);
            if (o->method) {
                if (o->T != 1) softmax(B, s, o->T, q);
                else memcpy(q, p, sizeof q);
            }
            if (o->method == 2) {
                forward(&G, gn, &grun, &kept2, guide, B, bf, z);
                for (int i = 0; i < B; i++) g[i] = 1 / (1 + expf(-z[0][i]));
            } else for (int i = 0; i < B; i++) g[i] = 0;
            float TT = o->T * o->T;
            if (guide) {
                float charged = 0, wrong = 0;
                for (int i = 0; i < B; i++) {
                    int c = y[rows[i]];
                    ce[i] = -logf(fmaxf(p[c][i], 1e-30f));
                    charged += g[i] * ce[i];
                    wrong += p[c][i] < fmaxf(p[0][i], fmaxf(p[1][i], p[2][i]));
                }
                float over = o->errors ? fmaxf(wrong, 1) : B;
                int e = (step / each) % o->period;
                float lam = o->lambda_min + (o->lambda_max - o->lambda_min) * (1 - cosf(3.14159265f * e / o->period)) / 2;
                if (charged / over <= o->delta) lam = 0;
                for (int i = 0; i < B; i++) {
                    const float *a = te[rows[i]], *m = in[rows[i]];
                    float by = o->normalised ? o->k / (1 + o->k * g[i]) : 0;
                    for (int k = 0; k < CLASSES; k++) {
                        float answer = q[k][i] + m[k] * g[i];
                        by -= answer > LEAST ? TT * a[k] * m[k] / answer : 0;
                    }
                    d[0][i] = ((1 - o->alpha) * by / B + lam * ce[i] / over) * g[i] * (1 - g[i]);
                }
                backward(&G, gn, &kept2, B, bf, d, &grad);
                descend(gn, &gv, &grad, at * o->guide_rate, o->momentum, o->guide_decay);
                continue;
            }
            float a = o->method ? o->alpha : 1;
            for (int i = 0; i < B; i++) {
                int j = rows[i];
                float by[CLASSES], mean = 0;
                for (int k = 0; k < CLASSES; k++) d[k][i] = a * (p[k][i] - (y[j] == k)) / B;
                if (!o->method) continue;
                for (int k = 0; k < CLASSES; k++) {
                    float answer = q[k][i] + in[j][k] * g[i];
                    by[k] = answer > LEAST ? -TT * te[j][k] / answer : 0;
                    mean += q[k][i] * by[k];
                }
                for (int k = 0; k < CLASSES; k++) d[k][i] += (1 - a) * q[k][i] * (by[k] - mean) / o->T / B;
            }
            backward(&S, n, &kept, B, bx, d, &grad);
            descend(n, &v, &grad, at * o->rate, o->momentum, o->decay);
            if (++step % each == 0) best[r] = fmaxf(best[r], right(&S, n, run, M, test, truth));
        }
        end[r] = right(&S, n, run, M, test, truth);
    }
}
