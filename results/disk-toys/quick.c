/* The 1-D toy's training, one run after the other, gradients by hand: see quick.py. */
#include <math.h>
#include <string.h>

#define MOST 1024

typedef struct {
    int runs, points, batch, per, epochs, inner, features, method; /* method: 0 CE, 1 KD, 2 DiSK */
    int log, errors, normalised, k, period;
    float steep, scale, least, rate, momentum, decay, alpha, T, delta, low, high, guide_rate, guide_decay;
} Told;

static inline float sigmoid(float z) { return 1.0f / (1.0f + expf(fminf(fmaxf(-z, -40.0f), 40.0f))); } /* no denormals */

/* order: rows of each batch in turn, as many batches as there are moves. */
void train(const Told *o, const float *X, const float *Y, const float *BLUE, const float *ON_BLUE, const float *ON_RED,
           const float *F, const int *order, float *ends, float *weights, float *biases) {
    float x[MOST], y[MOST], t[MOST], ub[MOST], ur[MOST], f[4][MOST], m[MOST], da[MOST], db[MOST], g[MOST], ce[MOST];
    int n = o->batch;
    for (int run = 0; run < o->runs; run++) {
        float a = ends[2 * run], b = ends[2 * run + 1], va = 0, vb = 0;
        float w[5] = {0}, v[5] = {0};
        for (int i = 0; i < o->features; i++) w[i] = weights[run * o->features + i];
        w[4] = biases[run];
        int whole = n == o->points, loaded = 0;
        for (int step = 0, move = 0; step < o->epochs * o->per; move++) {
            if (!whole || !loaded) {
                for (int i = 0; i < n; i++) {
                    int at = whole ? i : order[(long)move * n + i];
                    x[i] = X[at]; y[i] = Y[at]; t[i] = BLUE[at]; ub[i] = ON_BLUE[at]; ur[i] = ON_RED[at];
                    for (int j = 0; j < 4; j++) f[j][i] = j < o->features ? F[j * o->points + at] : 0.0f;
                }
                loaded = 1;
            }
            for (int i = 0; i < n; i++) {
                float left = sigmoid(o->steep * (x[i] - a)), right = sigmoid(o->steep * (x[i] - b)), h = left - right;
                float rest = 1 - h, up = fmaxf(h, o->least), down = fmaxf(rest, o->least);
                float slope = o->log ? (h >= o->least ? 1 / up : 0) + (rest >= o->least ? 1 / down : 0) : 2 * o->scale;
                m[i] = o->log ? logf(up) - logf(down) : o->scale * (2 * h - 1);
                da[i] = -o->steep * left * (1 - left) * slope;
                db[i] = o->steep * right * (1 - right) * slope;
            }
            if (o->method == 2)
                for (int i = 0; i < n; i++)
                    g[i] = sigmoid(w[0] * f[0][i] + w[1] * f[1][i] + w[2] * f[2][i] + w[3] * f[3][i] + w[4]);
            if (o->method == 2 && move / o->inner % 2 == 0) {
                int epoch = (step > 0 ? step - 1 : 0) / o->per;
                float lam = o->low + (o->high - o->low) * (1 - cosf(M_PI * (epoch % o->period) / o->period)) / 2;
                float charged = 0, missed = 0, d[5] = {0};
                for (int i = 0; i < n; i++) {
                    float z = (1 - 2 * y[i]) * m[i];
                    ce[i] = fmaxf(z, 0) + logf(1 + expf(-fabsf(z)));
                    charged += g[i] * ce[i];
                    missed += z > 0;
                }
                float wrong = o->errors ? fmaxf(missed, 1) / n : 1;
                float weight = charged / n / wrong > o->delta ? lam / wrong : 0;
                for (int i = 0; i < n; i++) {
                    float p = sigmoid(m[i] / o->T);
                    float up = fmaxf(p + ub[i] * g[i], 1e-8f), down = fmaxf(1 - p + ur[i] * g[i], 1e-8f);
                    float slope = -o->T * o->T * (t[i] * ub[i] / up + (1 - t[i]) * ur[i] / down);
                    if (o->normalised) slope += o->k / (1 + o->k * g[i]);
                    slope = ((1 - o->alpha) * slope + weight * ce[i]) * g[i] * (1 - g[i]) / n;
                    for (int j = 0; j < 4; j++) d[j] += slope * f[j][i];
                    d[4] += slope;
                }
                for (int j = 0; j < 5; j++) {
                    v[j] = o->momentum * v[j] + d[j] + o->guide_decay * w[j];
                    w[j] -= o->guide_rate * v[j];
                }
                continue;
            }
            float ga = 0, gb = 0;
            for (int i = 0; i < n; i++) {
                float slope = sigmoid(m[i]) - y[i], p = sigmoid(m[i] / o->T);
                if (o->method == 1) slope = o->alpha * slope + (1 - o->alpha) * o->T * (p - t[i]);
                if (o->method == 2) {
                    float up = fmaxf(p + ub[i] * g[i], 1e-8f), down = fmaxf(1 - p + ur[i] * g[i], 1e-8f);
                    slope = o->alpha * slope - (1 - o->alpha) * o->T * (t[i] / up - (1 - t[i]) / down) * p * (1 - p);
                }
                ga += slope * da[i];
                gb += slope * db[i];
            }
            va = o->momentum * va + ga / n + o->decay * a;
            vb = o->momentum * vb + gb / n + o->decay * b;
            a = fminf(fmaxf(a - o->rate * va, 0), 9);
            b = fmaxf(fminf(fmaxf(b - o->rate * vb, 0), 9), a + 0.01f);
            step++;
        }
        ends[2 * run] = a;
        ends[2 * run + 1] = b;
    }
}
