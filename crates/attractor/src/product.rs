//! Products of matrices in double precision: what checks are held to.

/// The product a b, [m, n], of a [m, k] and b [k, n], row by row, on the calling thread.
///
/// # Example
/// ```
/// use attractor::product;
/// assert_eq!(product(&[1.0, 2.0], &[3.0, 4.0], (1, 2, 1)), [11.0]);
/// ```
/// # Panics
/// If the numbers do not fill the shapes.
pub fn product(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize)) -> Vec<f64> {
    assert!(a.len() == m * k && b.len() == k * n, "product: {} and {} numbers for {m} x {k} x {n}", a.len(), b.len());
    let mut c = vec![0.0f64; m * n];
    // SAFETY: the three matrices fill their slices, as was just made sure; strides are in elements.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            b.as_ptr(),
            1,
            n as isize,
            0.0f64,
            1.0f64,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    c
}
